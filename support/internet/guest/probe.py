"""Says of each PROTOCOL:HOST:PORT whether a guest reaches it, how that was refused, or that nothing came back."""
import errno
import socket
import sys

KINDS = {"tcp": socket.SOCK_STREAM, "udp": socket.SOCK_DGRAM}
# A reset or ICMP's "port unreachable", and its "administratively prohibited".
REFUSALS = (errno.ECONNREFUSED, errno.EHOSTUNREACH)


def reach(protocol, host, port):
    try:
        address = socket.gethostbyname(host)
    except OSError:
        return "unknown"
    with socket.socket(type=KINDS[protocol]) as one:
        one.settimeout(20)
        try:
            one.connect((address, int(port)))
            if protocol == "udp":
                one.send(b"echo")
                one.recv(16)
            return "reached"
        except TimeoutError:
            return "hung"
        except OSError as error:
            return "refused" if error.errno in REFUSALS else str(error)


for target in sys.argv[1:]:
    print(target, reach(*target.split(":")), flush=True)
