#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-3-Clause
"""Sends again what tcpdump recorded: the frames as they were, or what was in them from another address.

Usage: replay.py FILE INTERFACE [NAME:KEY]   the frames as they were, out of the interface; with the name and the key of
                                             a cluster as frames of protocol version 2, signed
       replay.py FILE ADDRESS PORT           the datagrams from a port of this host, then listens for half a second

Prints how many it sent, and how many datagrams came back.
"""
import hashlib
import select
import socket
import struct
import sys
import time

UDP = 14 + 20  # IPv4 without options behind an Ethernet header
PAYLOAD = UDP + 8
MAC_BYTES = 16
PACED = 50  # frames at once


def recorded(path):
    """The whole frames of a file of tcpdump, in this machine's byte order."""
    with open(path, "rb") as file:
        data = file.read()
    at = 24
    while at + 16 <= len(data):
        kept, length = struct.unpack_from("=II", data, at + 8)
        if kept == length and at + 16 + kept <= len(data):
            yield data[at + 16 : at + 16 + kept]
        at += 16 + kept


def of_version_2(frame, name, key):
    """The same frame of a server that speaks another version; a checksum of 0 is none."""
    whole = hashlib.blake2b(b"godwit cluster\0" + name + b"\0" + key, digest_size=32).digest()
    length = struct.unpack_from(">H", frame, UDP + 4)[0] - 8 - MAC_BYTES
    said = b"\x02" + frame[PAYLOAD + 1 : PAYLOAD + length]
    mac = hashlib.blake2b(said, digest_size=MAC_BYTES, key=whole).digest()
    return frame[: UDP + 6] + b"\0\0" + said + mac


def send(frames, to):
    sent = 0
    for frame in frames:
        to(frame)
        sent += 1
        if sent % PACED == 0:
            time.sleep(0.005)
    return sent


def as_they_were(path, interface, cluster):
    frames = recorded(path)
    if cluster:
        name, key = cluster.encode().split(b":")
        frames = (of_version_2(frame, name, key) for frame in frames)
    with socket.socket(socket.AF_PACKET, socket.SOCK_RAW) as sock:
        sock.bind((interface, 0))
        return send(frames, sock.send), 0


def from_here(path, address, port):
    back = 0
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
        payloads = (frame[PAYLOAD : UDP + struct.unpack_from(">H", frame, UDP + 4)[0]] for frame in recorded(path))
        sent = send(payloads, lambda payload: sock.sendto(payload, (address, port)))
        end = time.monotonic() + 0.5
        while select.select([sock], [], [], max(0, end - time.monotonic()))[0]:
            sock.recv(65536)
            back += 1
    return sent, back


if len(sys.argv) == 4 and sys.argv[3].isdigit():
    print(*from_here(sys.argv[1], sys.argv[2], int(sys.argv[3])))
else:
    print(*as_they_were(sys.argv[1], sys.argv[2], sys.argv[3] if len(sys.argv) > 3 else ""))
