#!/usr/bin/env python3
"""delay_line.py NAMESPACE_A NAMESPACE_B DEVICE MILLISECONDS - a line between two network namespaces that takes its time: a TUN device in each,
every packet handed over after half of MILLISECONDS. Says "ready" when both are there; a line of input is another number of milliseconds from
then on; ends with its input."""
import ctypes
import fcntl
import heapq
import os
import select
import struct
import sys
import time

TUNSETIFF, IFF_TUN, IFF_NO_PI, CLONE_NEWNET = 0x400454CA, 1, 0x1000, 0x40000000
libc = ctypes.CDLL(None, use_errno=True)


def tun(namespace, device):
    ns = os.open(f"/run/netns/{namespace}", os.O_RDONLY)
    if libc.setns(ns, CLONE_NEWNET) != 0:
        raise OSError(ctypes.get_errno(), "setns")
    os.close(ns)
    fd = os.open("/dev/net/tun", os.O_RDWR | os.O_NONBLOCK)
    fcntl.ioctl(fd, TUNSETIFF, struct.pack("16sH", device.encode(), IFF_TUN | IFF_NO_PI))
    return fd


def main():
    ends = [tun(n, sys.argv[3]) for n in sys.argv[1:3]]
    half, late, count = float(sys.argv[4]) / 2000, [], 0
    print("ready", flush=True)
    while True:
        wait = max(0, late[0][0] - time.monotonic()) if late else 1
        ready, _, _ = select.select([*ends, 0], [], [], wait)
        if 0 in ready:
            said = os.read(0, 256)
            if not said:
                return
            half = float(said.split()[-1]) / 2000
        for i, fd in enumerate(ends):
            while fd in ready:
                try:
                    packet = os.read(fd, 65536)
                except BlockingIOError:
                    break
                count += 1
                heapq.heappush(late, (time.monotonic() + half, count, 1 - i, packet))
        while late and late[0][0] <= time.monotonic():
            _, _, to, packet = heapq.heappop(late)
            try:
                os.write(ends[to], packet)
            except OSError:
                pass  # the other end is down: lost, as on a line


if __name__ == "__main__":
    main()
