"""Prints how many ms each of so many took: names COUNT PATTERN, refusals COUNT, or echoes HOST COUNT; or the MB/s of: bulk HOST BYTES."""
import os
import socket
import struct
import sys
import threading
import time

ECHO_PORT = 7


def name_server():
    with open("/etc/resolv.conf") as file:
        return next(line.split()[1] for line in file if line.startswith("nameserver"))


def query(number, name):
    labels = b"".join(bytes([len(label)]) + label.encode() for label in name.split("."))
    return struct.pack(">6H", number, 0x100, 1, 0, 0, 0) + labels + b"\0" + struct.pack(">2H", 1, 1)


def exchange(messages):
    """What each message takes to its answer."""
    # A guest may ask a second's worth at once: none of what is measured waits for what was asked before.
    time.sleep(1)
    one = socket.socket(type=socket.SOCK_DGRAM)
    one.settimeout(20)
    one.connect((name_server(), 53))
    for message in messages:
        begin = time.perf_counter()
        one.send(message)
        answer = one.recv(4096)
        yield time.perf_counter() - begin, struct.unpack(">6H", answer[:12])


def names(count, pattern):
    """`%d` in the pattern makes each name another one."""
    asked = [pattern % number if "%d" in pattern else pattern for number in range(int(count))]
    for name, (took, head) in zip(asked, exchange([query(number, name) for number, name in enumerate(asked)])):
        if head[1] & 15 or not head[3]:
            sys.exit(f"{name} has no address")
        yield took


def refusals(count):
    """Of another operation than a query, which a guest's agent answers by itself."""
    for took, head in exchange([struct.pack(">6H", number, 0x1000, 0, 0, 0, 0) for number in range(int(count))]):
        if head[1] & 15 != 4:
            sys.exit("it is not refused as not implemented")
        yield took


def echoes(host, count):
    one = socket.create_connection((host, ECHO_PORT))
    one.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    for _ in range(int(count)):
        begin = time.perf_counter()
        one.sendall(b"x")
        one.recv(1)
        yield time.perf_counter() - begin


def bulk(host, size):
    """Sent to the echo server, and back at the same time."""
    one = socket.create_connection((host, ECHO_PORT))
    piece = os.urandom(1 << 16)
    begin = time.perf_counter()

    def send():
        for _ in range(int(size) // len(piece)):
            one.sendall(piece)
        one.shutdown(socket.SHUT_WR)

    sender = threading.Thread(target=send)
    sender.start()
    received = 0
    while data := one.recv(1 << 16):
        received += len(data)
    sender.join()
    return received / 1e6 / (time.perf_counter() - begin)


what, *words = sys.argv[1:]
if what == "bulk":
    print(bulk(*words))
else:
    print("\n".join(str(took * 1000) for took in {"names": names, "refusals": refusals, "echoes": echoes}[what](*words)))
