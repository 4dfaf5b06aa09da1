"""kazoo's own tests (they come with its wheel) against a server of ours instead of the cluster of three JVMs that
they would start.

    kazoo_suite.py '{"command": ["corrente", "zookeeper", "FILE"], "port": 2181, "omit": {"part of a test's id": "why"}}'

Prints a JSON line for each test that did not pass, and a last one with the numbers.
"""

import json
import os
import socket
import subprocess
import sys
import time
import types

import pytest


class Server:
    """Stands in for kazoo.testing.common.ManagedZooKeeper: started and stopped by the tests."""

    def __init__(self, command, port):
        self.command = command
        self.client_port = port
        self.address = "127.0.0.1:%d" % port
        self.process = None

    @property
    def running(self):
        return self.process is not None

    def run(self):
        if self.process is None:
            self.process = subprocess.Popen(
                self.command, stdin=subprocess.DEVNULL, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
            )
            self.await_answer()

    def await_answer(self):
        end = time.monotonic() + 60
        while True:
            try:
                with socket.create_connection(("127.0.0.1", self.client_port), 5) as connection:
                    connection.sendall(b"srvr")
                    if connection.recv(100):
                        return
            except OSError:
                pass
            if time.monotonic() > end or self.process.poll() is not None:
                raise RuntimeError("no answer of %r" % (self.command,))
            time.sleep(0.01)

    def stop(self):
        if self.process is not None:
            self.process.terminate()
            self.process.wait()
            self.process = None

    def get_logs(self, num_lines=100):
        return []


class Cluster:
    """Stands in for kazoo.testing.common.ZookeeperCluster, one server wide."""

    def __init__(self, server):
        self.server = server

    def __getitem__(self, number):
        return [self.server][number]

    def __iter__(self):
        return iter([self.server])

    def start(self):
        self.server.run()

    def stop(self):
        self.server.stop()

    def terminate(self):
        """Called after each class of tests: the server may as well go on, every test has a chroot of its own."""

    def reset(self):
        pass

    def get_logs(self):
        return []


class Report:
    """A pytest plugin: leaves out what is asked for, and tells what did not pass."""

    def __init__(self, omit):
        self.omit = omit
        self.numbers = {"passed": 0, "failed": 0, "skipped": 0}
        self.omitted = []

    def pytest_collection_modifyitems(self, config, items):
        def reason(item):
            return next((why for part, why in self.omit.items() if part in item.nodeid), None)

        self.omitted = [item.nodeid.rpartition("/")[2] for item in items if reason(item)]
        items[:] = [item for item in items if not reason(item)]

    def pytest_runtest_logreport(self, report):
        name = report.nodeid.rpartition("/")[2]
        if report.passed:
            self.numbers["passed"] += report.when == "call"
            if report.duration > 2:
                say(slow=name, seconds=round(report.duration, 1))
            return
        # A failed teardown of a passed test is a failure as well.
        outcome = "failed" if report.failed else "skipped"
        self.numbers[outcome] += 1
        text = report.longreprtext if report.failed else str(report.longrepr[2])
        say(test=name, outcome=outcome, text=text[-3000:])

    def pytest_collectreport(self, report):
        if report.failed:
            self.numbers["failed"] += 1
            say(test=report.nodeid, outcome="failed", text=report.longreprtext[-3000:])


def say(**line):
    sys.__stdout__.write(json.dumps(line) + "\n")
    sys.__stdout__.flush()


def stand_in(cluster):
    """The harness imports its cluster from a module that wants OpenSSL and jks for a TLS port: not that one."""
    common = types.ModuleType("kazoo.testing.common")
    common.ZookeeperCluster = Cluster
    common.ManagedZooKeeper = Server
    sys.modules["kazoo.testing.common"] = common
    from kazoo.testing import harness

    harness.get_global_cluster = lambda: cluster


def main():
    command = json.loads(sys.argv[1])
    import kazoo

    say(version=kazoo.__version__)
    server = Server(command["command"], command["port"])
    stand_in(Cluster(server))
    report = Report(command["omit"])
    folder = os.path.join(os.path.dirname(kazoo.__file__), "tests")
    arguments = ["-p", "no:cacheprovider", "-p", "no:terminal", "--capture=fd", "-W", "ignore"]
    try:
        pytest.main(arguments + command.get("only", [folder]), plugins=[report])
    finally:
        server.stop()
    say(omitted=report.omitted, **report.numbers)


if __name__ == "__main__":
    main()
