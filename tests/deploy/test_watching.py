"""The dashboard and the alerts ask for what a running daemon really shows."""

import asyncio
import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from bot import settings
from bot.core.state import Mode
from bot.runtime.daemon import run_daemon
from bot.wiring.daemon import build_daemon, secrets_of
from bot.wiring.exchange import ExchangeOptions, build_exchange
from tests.deploy.files import DEPLOY, ROOT, yaml

pytestmark = pytest.mark.timeout(240)  # a cold machine compiles before the daemon shows anything

DASHBOARD = json.loads((DEPLOY / "grafana" / "dashboards" / "deltaband.json").read_text())
RULES = [rule for group in yaml(DEPLOY / "alerts.yml")["groups"] for rule in group["rules"]]
NAME = re.compile(r"\bdeltaband_\w+")
SELECTOR = re.compile(r"\b(deltaband_\w+)\{([^}]*)\}")
MATCHER = re.compile(r'(\w+)(=~|!~|!=|=)"([^"]*)"')
LEGEND = re.compile(r"\{\{\s*\$?(?:labels\.)?(\w+)\s*\}\}")
SAMPLE = re.compile(r"^(\w+)(?:\{(.*)\})? (\S+)$")
SCRAPED = {
    "instance",
    "job",
    "le",
}  # labels that Prometheus adds, and that of a histogram's buckets
# Families without a sample until something happens; their labels are the code's own.
SILENT = {
    "deltaband_refusals_total": {"code"},
    "deltaband_hedges_total": {"side"},
    "deltaband_fills_by_cause_total": {"cause"},
    "deltaband_page_channel_up": {"channel"},
}

needs_promtool = pytest.mark.skipif(
    shutil.which("promtool") is None, reason="promtool is not installed here"
)


def panels() -> Iterator[dict[str, Any]]:
    for panel in DASHBOARD["panels"]:
        if panel["type"] != "row":
            yield panel


def asked() -> Iterator[tuple[str, str]]:
    """Every query with the place where it stands."""
    for panel in panels():
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"]
    for variable in DASHBOARD["templating"]["list"]:
        yield f"variable {variable['name']}", variable["definition"]
    for rule in RULES:
        yield f"rule {rule['alert']}", rule["expr"]


class Shown:
    """An exposition: which names it has, and which values each label takes."""

    def __init__(self, text: str) -> None:
        self.names: set[str] = set()
        self.labels: dict[str, dict[str, set[str]]] = {}
        for line in text.splitlines():
            if line.startswith("# TYPE "):
                _, _, name, kind = line.split()
                parts = ("_bucket", "_sum", "_count") if kind == "histogram" else ("",)
                self.names |= {name + part for part in parts}
            elif sample := SAMPLE.match(line):
                known = self.labels.setdefault(sample.group(1), {})
                for label, _, value in MATCHER.findall(sample.group(2) or ""):
                    known.setdefault(label, set()).add(value)

    def labels_of(self, name: str) -> set[str]:
        return set(self.labels.get(name, {})) | SILENT.get(name, set()) | SCRAPED


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> Shown:
    """What a daemon in RUN shows on the embedded exchange."""
    return Shown(asyncio.run(scraped(tmp_path_factory.mktemp("ledger") / "ledger.db")))


async def scraped(ledger: Path) -> str:
    exchange = build_exchange(ExchangeOptions(port=0, seed=3), lambda _: None)
    place = f"127.0.0.1:{await exchange.start()}"
    overrides = (
        f"venue.rest_url=http://{place}",
        f"venue.ws_url=ws://{place}/ws/api/v2",
        f"journal.path={ledger}",
        "books.0.hedge.target_coin=2",  # so that there is something to hedge at once
    )
    config = settings.load(ROOT / "config" / "demo.yaml", overrides)
    async with build_daemon(config, secrets_of(config)) as system:
        task = asyncio.create_task(run_daemon(system.daemon))
        try:
            hedged = await system.window.until(
                lambda step: step.state.mode is Mode.RUN and step.state.counts.fills > 0, 60.0
            )
            assert hedged, "no order went out"
            async with httpx.AsyncClient(trust_env=False) as client:
                answer = await client.get(f"{system.url}/metrics")
        finally:
            system.daemon.stop.set()
            await task
            await exchange.stop()
    return answer.text


def test_every_query_asks_for_a_number_that_the_daemon_shows(shown: Shown) -> None:
    unknown = [
        (place, name) for place, query in asked() for name in NAME.findall(query)
        if name not in shown.names
    ]  # fmt: skip

    assert unknown == []
    assert len({name for _, query in asked() for name in NAME.findall(query)}) >= 30


def test_every_label_that_is_asked_for_exists_and_takes_that_value(shown: Shown) -> None:
    wrong: list[tuple[str, str]] = []
    for place, query in asked():
        for name, matchers in SELECTOR.findall(query):
            for label, _, value in MATCHER.findall(matchers):
                values = shown.labels.get(name, {}).get(label, set())
                is_free = label in SCRAPED or value.startswith("$")
                if label not in shown.labels_of(name) or not (is_free or value in values):
                    wrong.append((place, f"{name} {label}={value}"))

    assert wrong == []


def test_every_legend_and_every_alert_names_labels_that_are_there(shown: Shown) -> None:
    texts = [
        (panel["title"], target["expr"], target["legendFormat"])
        for panel in panels()
        for target in panel["targets"]
    ]
    texts += [(rule["alert"], rule["expr"], str(rule["annotations"])) for rule in RULES]
    wrong = [
        (place, label)
        for place, query, text in texts
        for label in LEGEND.findall(text)
        if label != "value"
        and label not in set().union(*(shown.labels_of(n) for n in NAME.findall(query)), SCRAPED)
    ]

    assert wrong == []


def test_every_alert_says_how_urgent_it_is_and_what_to_do() -> None:
    for rule in RULES:
        assert rule["labels"]["severity"] in {"page", "ticket"}
        assert {"summary", "description"} <= rule["annotations"].keys()
    assert len({rule["alert"] for rule in RULES}) == len(RULES) >= 12


def test_the_dashboards_panels_have_a_number_a_place_and_the_provisioned_source() -> None:
    (source,) = yaml(DEPLOY / "grafana/provisioning/datasources/prometheus.yml")["datasources"]
    (provider,) = yaml(DEPLOY / "grafana/provisioning/dashboards/deltaband.yml")["providers"]
    mounts = yaml(DEPLOY / "compose.yaml")["services"]["grafana"]["volumes"]
    cells: set[tuple[int, int]] = set()
    for panel in DASHBOARD["panels"]:
        grid = panel["gridPos"]
        taken = {
            (x, y)
            for x in range(grid["x"], grid["x"] + grid["w"])
            for y in range(grid["y"], grid["y"] + grid["h"])
        }
        assert grid["x"] + grid["w"] <= 24
        assert not taken & cells, f"{panel['title']} lies on another"
        cells |= taken
    for panel in panels():
        assert panel["description"]
        for target in panel["targets"]:
            assert target["datasource"]["uid"] == source["uid"]
    numbers = [panel["id"] for panel in DASHBOARD["panels"]]
    assert len(set(numbers)) == len(numbers)
    assert f"./grafana/dashboards:{provider['options']['path']}:ro" in mounts


@needs_promtool
@pytest.mark.parametrize(
    "words",
    [
        ("check", "config", "--syntax-only", "prometheus.yml"),
        ("check", "rules", "alerts.yml"),
        ("test", "rules", "alerts.test.yml"),
    ],
    ids=" ".join,
)
def test_promtool_finds_nothing_wrong_with_what_it_will_read(words: tuple[str, ...]) -> None:
    done = subprocess.run(
        ["promtool", *words], cwd=DEPLOY, capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr


@needs_promtool
def test_promtool_can_read_every_query_of_the_dashboard(tmp_path: Path) -> None:
    queries = [query for place, query in asked() if place.startswith("panel ")]
    filled = [
        query.replace("$__rate_interval", "1m").replace("$instance", ".*") for query in queries
    ]
    rules = [{"record": f"query:{number}", "expr": text} for number, text in enumerate(filled)]
    path = tmp_path / "queries.json"  # YAML reads JSON
    path.write_text(json.dumps({"groups": [{"name": "dashboard", "rules": rules}]}))

    done = subprocess.run(
        ["promtool", "check", "rules", path], capture_output=True, text=True, check=False
    )

    assert done.returncode == 0, done.stdout + done.stderr
