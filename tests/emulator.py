"""MiniStack: a stand-in for AWS in one process, on a free port of this machine.

It runs the functions as Lambda would (the built binary against a Runtime API) and polls their event sources. IAM is
enforced, so that a permission that the template forgets fails a test, and the endpoint is TLS.

What it does not do, and the tests therefore do not show: it takes a Kinesis batch as done even where the function names
failed records; it does not bisect, give up or put aside batches; batching windows are ignored; it reads stream and queue
itself, without the permissions of the function's role.
"""

from __future__ import annotations

import os
import signal
import socket
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from contextlib import suppress
from pathlib import Path

import boto3
from certificate import write_certificates
from waiting import eventually

REGION = "us-east-1"
ACCOUNT = "000000000000"


class Emulator:
    """A running MiniStack; use as a context."""

    def __init__(self, folder: Path):
        self._folder = folder
        self.log = folder / "ministack.log"
        authority, self._certificate, self._key = write_certificates(folder)
        self._authority = authority
        self.endpoint = f"https://127.0.0.1:{_free_port()}"
        # For every program that is to take this for AWS. Its root user is called "test".
        self.environment = {
            "AWS_ENDPOINT_URL": self.endpoint,
            "AWS_REGION": REGION,
            "AWS_DEFAULT_REGION": REGION,
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_CA_BUNDLE": str(authority),
            "REQUESTS_CA_BUNDLE": str(authority),
            "SSL_CERT_FILE": str(authority),
            "AWS_EC2_METADATA_DISABLED": "true",
        }

    def __enter__(self) -> Emulator:
        settings = {
            "USE_SSL": "1",
            "MINISTACK_SSL_CERT": str(self._certificate),
            "MINISTACK_SSL_KEY": str(self._key),
            "AUTH": "true",
            "BIND_HOST": "127.0.0.1",
            "MINISTACK_HOST": "127.0.0.1",
            "GATEWAY_PORT": self.endpoint.rpartition(":")[2],
            "LAMBDA_EXECUTOR": "local",
            "IOT_MTLS_ENABLED": "0",
            "SFTP_ENABLED": "0",
        }
        # Its environment becomes the functions', so it is given nothing of ours but what is listed.
        inherited = {name: os.environ[name] for name in ("PATH", "HOME", "TMPDIR", "LANG") if name in os.environ}
        with self.log.open("wb") as log:
            self._process = subprocess.Popen(
                [Path(sys.executable).parent / "ministack"],
                cwd=self._folder,
                env=inherited | self.environment | settings,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
        try:
            eventually(self._answers, "MiniStack answers", within=60)
        except BaseException:
            self.__exit__()
            raise
        return self

    def __exit__(self, *_) -> None:
        # Its own process group, which holds the functions' processes too. Nothing of it is worth an orderly end.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()

    def client(self, service: str):
        return boto3.client(
            service,
            region_name=REGION,
            endpoint_url=self.endpoint,
            aws_access_key_id="test",
            aws_secret_access_key="test",
            verify=str(self._authority),
        )

    def _answers(self) -> bool:
        if self._process.poll() is not None:
            raise RuntimeError(f"MiniStack ended:\n{self.log.read_text()}")
        trusted = ssl.create_default_context(cafile=self._authority)
        try:
            with urllib.request.urlopen(f"{self.endpoint}/_ministack/health", context=trusted, timeout=5):
                return True
        except (urllib.error.URLError, ConnectionError):
            return False


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]
