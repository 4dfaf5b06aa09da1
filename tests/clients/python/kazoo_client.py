"""kazoo through the end and the return of the server; its recipes have tests of their own (see kazoo_suite.py).

    kazoo_client.py 127.0.0.1:2181

Prints a line for each check, `ok NAME` or `FAILED NAME: why`, and asks for what it needs: `ask WHAT`, then waits for
`done` on standard input.
"""

import sys
import threading
import time
import traceback

import kazoo
from kazoo.client import KazooClient
from kazoo.protocol.states import KazooState
from kazoo.security import make_digest_acl


def say(line):
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def ask(what):
    say("ask " + what)
    assert sys.stdin.readline() == "done\n"


def eventually(what, holds):
    end = time.monotonic() + 30
    while not holds():
        assert time.monotonic() < end, "never: " + what
        time.sleep(0.01)


def client(hosts, **settings):
    made = KazooClient(hosts=hosts, timeout=30, connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.2},
                       command_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.2}, **settings)
    made.states = []
    made.add_listener(made.states.append)
    made.start(timeout=30)
    return made


def restart(hosts):
    """Session, ephemeral nodes, a held lock, an election and watches outlive kill -9."""
    one, two = client(hosts), client(hosts)
    session = one.client_id
    one.create("/kept", b"1", ephemeral=True)
    lock = one.Lock("/lock", "one")
    assert lock.acquire(timeout=10)
    seen = []
    two.DataWatch("/watched", lambda data, stat: seen.append(data))
    names = []
    two.ChildrenWatch("/", lambda children: names.append(sorted(children)))
    party = one.Party("/party", "one")
    party.join()
    # Else its answer may come with the end of the connection, and kazoo then takes the watch for one that is still set.
    eventually("the child watch sees the party", lambda: "party" in names[-1])
    ask("kill9_and_restart")
    eventually("both are connected again", lambda: one.connected and two.connected)
    assert one.client_id == session, "the session goes on"
    assert KazooState.LOST not in one.states + two.states, (one.states, two.states)
    assert two.retry(two.get, "/kept")[1].ephemeralOwner == session[0]
    assert not two.Lock("/lock", "two").acquire(blocking=False), "the lock is still held"
    assert list(two.Party("/party")) == ["one"]
    one.retry(one.create, "/watched", b"a")
    eventually("the data watch sees it", lambda: seen[-1] == b"a")
    eventually("the child watch sees it", lambda: "watched" in names[-1])
    lock.release()
    assert two.Lock("/lock", "two").acquire(timeout=10)
    one.stop()
    assert two.exists("/kept") is None
    eventually("the party is over", lambda: list(two.Party("/party")) == [])
    two.stop()


def expired_while_asleep(hosts):
    """A client that slept for too long is told so, and starts anew."""
    one = KazooClient(hosts=hosts, timeout=2, connection_retry={"max_tries": -1, "delay": 0.05, "max_delay": 0.2})
    lost = threading.Event()
    one.add_listener(lambda state: lost.set() if state == KazooState.LOST else None)
    one.start(timeout=30)
    session = one.client_id
    one.create("/asleep", b"", ephemeral=True)
    ask("sleep")
    assert lost.wait(30), "it is told"
    eventually("it is connected again", lambda: one.connected)
    assert one.client_id != session
    assert one.retry(one.exists, "/asleep") is None, "the old node is gone"
    one.stop()


def rights_after_a_restart(hosts):
    """Rights are kept, and the client shows its name again on the new connection."""
    owner = client(hosts, auth_data=[("digest", "ada:secret")])
    owner.create("/mine", b"1", acl=[make_digest_acl("ada", "secret", all=True)])
    ask("kill9_and_restart")
    eventually("it is connected again", lambda: owner.connected)
    assert owner.retry(owner.get, "/mine")[0] == b"1"
    stranger = client(hosts)
    try:
        stranger.get("/mine")
        raise AssertionError("anybody may read it")
    except kazoo.exceptions.NoAuthError:
        pass
    owner.stop()
    stranger.stop()


def main():
    say("version " + kazoo.__version__)
    failed = False
    for check in (restart, rights_after_a_restart, expired_while_asleep):
        try:
            check(sys.argv[1])
            say("ok " + check.__name__)
        except BaseException as why:
            failed = True
            say("FAILED %s: %r" % (check.__name__, why))
            traceback.print_exc()
    sys.exit(failed)


if __name__ == "__main__":
    main()
