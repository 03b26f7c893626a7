"""Keeps a connection to port 7 of each HOST, and says to each caller of its port 9000 which of them still carry bytes."""
import socket
import sys

held = {host: socket.create_connection((host, 7), 20) for host in sys.argv[1:]}


def state(one):
    try:
        one.sendall(b"x")
        return "open" if one.recv(1) == b"x" else "ended"
    except TimeoutError:
        return "hung"
    except OSError:
        return "ended"


door = socket.create_server(("127.0.0.1", 9000))
while True:
    caller, _ = door.accept()
    for host, one in held.items():
        caller.sendall(f"{host} {state(one)}\n".encode())
    caller.close()
