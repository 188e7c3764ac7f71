// abi.cpp - the same headers as C++17, with the same layout.
#include "layout.h"

#include <mamori/action.h>
#include <mamori/event.h>
#include <mamori/net.h>

int main()
{
    mmr_error err{};
    err.struct_size = sizeof err;
    return mmr_fail(&err, MMR_EIO, "%s", "x") == MMR_EIO && err.text[0] == 'x' ? 0 : 1;
}
