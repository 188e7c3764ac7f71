// plugin.cpp - a plugin in C++, as its author would write it: a class behind self, nothing thrown across the interface. Held against every rule by
// `mamori plugin check` (abi_cxx_plugin).
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <exception>
#include <memory>
#include <string>

namespace
{

struct config {
    const char *greeting;
    int64_t period;
};

class greeter
{
  public:
    greeter(const mmr_host *host, const config *c) : host_(host), greeting_(c->greeting), period_(c->period) {}
    int start() const { return host_->set_timer(host_->impl, period_, 1); }
    void stop() const { (void)host_->set_timer(host_->impl, -1, 1); }
    void tick()
    {
        mmr_event ev;
        uint8_t buf[512];
        mmr_event_begin(&ev, buf, sizeof buf, "finding", MMR_CLASS_FINDING, 1, host_->now_ns(host_->impl, MMR_CLOCK_WALL), 1);
        mmr_event_str(&ev, "mamori.rule", "org.example.greeter.tick");
        mmr_event_str(&ev, "finding_info.title", (greeting_ + ", " + std::to_string(++n_)).c_str());
        (void)mmr_event_emit(&ev, host_);
        (void)start();
    }

  private:
    const mmr_host *host_;
    std::string greeting_;
    int64_t period_;
    uint64_t n_ = 0;
};

int create(const mmr_host *host, const void *c, void **ret, mmr_error *err)
{
    try {
        *ret = std::make_unique<greeter>(host, static_cast<const config *>(c)).release();
        return MMR_OK;
    } catch (const std::exception &e) {
        return mmr_fail(err, MMR_ENOMEM, "greeter: %s", e.what());
    }
}
void destroy(void *self) { delete static_cast<greeter *>(self); }
int start(void *self, mmr_error *err)
{
    const int r = static_cast<greeter *>(self)->start();
    return r ? mmr_fail(err, r, "greeter: no timer") : MMR_OK;
}
void stop(void *self) { static_cast<greeter *>(self)->stop(); }
void on_timer(void *self, uint64_t)
{
    try {
        static_cast<greeter *>(self)->tick();
    } catch (const std::exception &) { // no memory: this greeting is left out
    }
}

const mmr_cfg_key keys[] = {
    MMR_CFG(config, greeting, MMR_CFG_STR, 0, "hello", 0, 0, "what is said"),
    MMR_CFG(config, period, MMR_CFG_MSEC, 0, "1s", 10, 60000, "how often"),
    {},
};
const char *const kinds[] = {"finding", nullptr};
const mmr_sensor_ops sensor = {sizeof(mmr_sensor_ops), 0, start, stop, nullptr};

mmr_plugin describe()
{
    mmr_plugin p{};
    p.struct_size = sizeof p;
    p.abi_major = MMR_ABI_MAJOR;
    p.abi_minor = MMR_ABI_MINOR;
    p.config_stride = sizeof(mmr_cfg_key);
    p.side = MMR_SIDE_ENDPOINT;
    p.id = "org.example.greeter";
    p.name = "greeter";
    p.version = "0.1.0";
    p.vendor = "test";
    p.license = "Apache-2.0";
    p.doc = "says hello";
    p.events = kinds;
    p.config = keys;
    p.config_size = sizeof(config);
    p.create = create;
    p.destroy = destroy;
    p.on_timer = on_timer;
    p.sensor = &sensor;
    return p;
}

} // namespace

MMR_PLUGIN(greeter) = describe();
