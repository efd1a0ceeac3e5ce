# SPDX-License-Identifier: Apache-2.0
"""Redis over TLS: hiredis's own, where the one that stepd was built with has it (1.0; Debian 12's has not), else refused before anything starts."""
import os
import subprocess

import pytest

from support import STEPD, Daemon, Redis, free_port, run

HAS_TLS = "libhiredis_ssl" in run("ldd", STEPD)


@pytest.fixture
def secure(folder):
    """A redis-server that speaks TLS at `url`, and the file of the authority that signed for it."""
    authority, key, request, certificate = (folder / name for name in ("authority.pem", "key.pem", "request.pem", "certificate.pem"))
    name = ["-subj", "/CN=stepd test", "-newkey", "rsa:2048", "-nodes"]
    run("openssl", "req", "-x509", *name, "-keyout", folder / "authority.key", "-out", authority, "-days", "2")
    run("openssl", "req", *name, "-keyout", key, "-out", request)
    (folder / "names").write_text("subjectAltName=IP:127.0.0.1\n")
    run("openssl", "x509", "-req", "-in", request, "-CA", authority, "-CAkey", folder / "authority.key", "-CAcreateserial", "-out", certificate,
        "-days", "2", "-extfile", folder / "names")
    port = free_port()
    server = Redis(folder / "redis", "--tls-port", str(port), "--tls-cert-file", str(certificate), "--tls-key-file", str(key),
                   "--tls-ca-cert-file", str(authority), "--tls-auth-clients", "no")
    server.url = f"rediss://127.0.0.1:{port}/0"
    server.authority = authority
    yield server
    server.stop()


@pytest.fixture
def service(folder, kafka, secure, module, topic):
    made = Daemon(folder / "daemon", kafka, secure, [module("crashing")], {"topics": [topic], "history": "all"},
                  {"SSL_CERT_FILE": str(secure.authority)})
    yield made
    if made.process is not None and made.process.poll() is None:
        made.kill()


def check(service):
    return subprocess.run([STEPD, "--check", "--config", service.config], capture_output=True, text=True, env=service.env)


def test_runs_are_kept_over_tls_or_it_is_refused(service, kafka, topic):
    if not HAS_TLS:
        done = check(service)
        assert done.returncode == 78 and "redis.url: TLS (rediss://) needs a stepd built with hiredis_ssl" in done.stderr
        return
    service.start()
    kafka.send("crash/bystander", topic=topic)
    os.environ["SSL_CERT_FILE"] = str(service.folder.parent / "authority.pem")
    try:
        service.wait_for("bystander", "completed")
    finally:
        del os.environ["SSL_CERT_FILE"]
    refused = service.ctl_run("runs")
    assert refused.returncode == 4 and "can't be trusted" in refused.stderr
