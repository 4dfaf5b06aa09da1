"""Reads /metrics twice with Prometheus' own parsers: exposition.py http://127.0.0.1:9464/metrics TOPIC"""

import sys
from urllib.request import Request, urlopen

from prometheus_client.openmetrics.parser import text_string_to_metric_families as openmetrics
from prometheus_client.parser import text_string_to_metric_families as plain

OPENMETRICS = "application/openmetrics-text"


def page(url, accept):
    with urlopen(Request(url, headers={"Accept": accept})) as answer:
        kind = answer.headers["Content-Type"].split(";")[0]
        return kind, answer.read().decode()


def samples(families):
    return {(s.name, tuple(sorted(s.labels.items()))): s.value for family in families for s in family.samples}


url, topic = sys.argv[1:]
for parse, accept, expected in ((plain, "text/plain", "text/plain"), (openmetrics, OPENMETRICS, OPENMETRICS)):
    kind, text = page(url, accept)
    assert kind == expected, kind
    found = samples(parse(text))
    assert found[("corrente_topic_bytes", (("topic", topic),))] == 0, found
    assert found[("corrente_requests_total", (("api", "Metadata"), ("version", "0")))] >= 1, sorted(found)
    assert any(name == "corrente_request_seconds_bucket" for name, _ in found)
    print(kind, len(found))
