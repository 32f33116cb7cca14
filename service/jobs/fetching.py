"""Files from the network: from hosts that are allowed, at addresses that are public."""

import ipaddress
import socket
from collections.abc import Collection
from pathlib import Path

import httpx

from models.errors import DataError, InvalidRequest
from models.shards import is_shard

PORTS = {"http": 80, "https": 443}
SECONDS = 30.0


def is_url(text: str) -> bool:
    """Whether a job's input is a URL."""
    return "://" in text


def check(url: str, hosts: Collection[str]) -> httpx.URL:
    """A URL that may be fetched, as far as it can be told without asking for its address.

    Raises:
        InvalidRequest: its scheme, host or suffix is not allowed.
    """
    try:
        found = httpx.URL(url)
    except httpx.InvalidURL as error:
        raise InvalidRequest(f"{url!r} is no URL: {error}") from error
    if found.scheme not in PORTS or found.userinfo:
        raise InvalidRequest("a job's URL is http:// or https://, without a password")
    if found.host not in hosts:
        raise InvalidRequest(f"the host {found.host!r} is none of SEEWHY_JOB_HOSTS")
    suffix_of(found.path)
    return found


def suffix_of(name: str) -> str:
    """What a file's name says that it is: `.zip`, `.tar` or `.parquet`.

    Raises:
        InvalidRequest: something else.
    """
    path = Path(name)
    suffix = ".tar" if is_shard(path) else path.suffix.lower()
    if suffix not in {".zip", ".tar", ".parquet"}:
        raise InvalidRequest(f"{path.name!r} is no .zip, .tar or .parquet file")
    return suffix


def fetch(url: httpx.URL, file: Path, most_bytes: int) -> None:
    """Write what a URL answers to a file. Redirects are not followed.

    The address is looked up once, judged, and the one connected to: a name that changes its
    address meanwhile gains nothing.

    Raises:
        DataError: the host has a private address, or does not answer with the file.
        OSError: the disk refused.
    """
    port = url.port or PORTS[url.scheme]
    address = public_address(url.host, port)
    request = httpx.Request(
        "GET",
        url.copy_with(host=address),
        headers={"Host": url.netloc.decode("ascii")},
        extensions={"sni_hostname": url.host},
    )
    try:
        with httpx.Client(timeout=SECONDS, trust_env=False) as client:
            response = client.send(request, stream=True)
            try:
                _save(response, file, most_bytes)
            finally:
                response.close()
    except httpx.HTTPError as error:
        raise DataError(f"{url.host} does not answer: {error or type(error).__name__}") from error


def public_address(host: str, port: int) -> str:
    """The address of a host that has public ones alone.

    Raises:
        DataError: it has none, or one that is not public.
    """
    try:
        entries = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    except OSError as error:
        raise DataError(f"the host {host!r} is not known: {error.strerror}") from error
    addresses = [str(entry[4][0]) for entry in entries]
    for address in addresses:
        found = ipaddress.ip_address(address.partition("%")[0])
        if not found.is_global or found.is_multicast:
            raise DataError(f"the host {host!r} has the address {address}, which is not public")
    return addresses[0]


def _save(response: httpx.Response, file: Path, most_bytes: int) -> None:
    if response.status_code != httpx.codes.OK:
        raise DataError(f"the URL answers {response.status_code} {response.reason_phrase}")
    size = 0
    with file.open("wb") as target:
        for chunk in response.iter_bytes():
            size += len(chunk)
            if size > most_bytes:
                raise DataError("the URL's file has more bytes than a job may")
            target.write(chunk)
