"""The configurations that come with the program, and the schema beside them."""

import json
from dataclasses import replace
from typing import Any

import jsonschema  # type: ignore[import-untyped]
import pytest
from ruamel.yaml import YAML

from bot.core.margin.modelling import DeribitStandard
from bot.exchange.rules import Rules as ExchangeRules
from bot.settings import ConfigError, RunMode, load, schema, schema_text
from bot.settings.margin_parameters import Deribit, parameters
from tests.settings.builders import CONFIG, DEMO

SHIPPED = sorted(CONFIG.glob("*.yaml"))
MODES = {
    "demo.yaml": RunMode.REHEARSAL,
    "demo-four.yaml": RunMode.REHEARSAL,
    "deribit-live.yaml": RunMode.LIVE,
    "deribit-testnet.yaml": RunMode.TESTNET,
}


def plain(name: str) -> Any:
    return YAML(typ="safe", pure=True).load((CONFIG / name).read_text(encoding="utf-8"))


def test_every_shipped_configuration_loads_in_its_mode_and_makes_policies():
    assert {path.name: load(path).mode for path in SHIPPED} == MODES
    for path in SHIPPED:
        assert load(path).policy().books[0].book.name == "main"


@pytest.mark.parametrize("name", MODES)
def test_a_shipped_file_points_editors_at_the_schema_and_satisfies_it(name: str):
    first = (CONFIG / name).read_text(encoding="utf-8").splitlines()[0]

    assert first == "# yaml-language-server: $schema=schema.json"
    jsonschema.Draft202012Validator(schema()).validate(plain(name))


def test_the_committed_schema_is_the_one_that_the_models_make():
    committed = (CONFIG / "schema.json").read_text(encoding="utf-8")

    assert committed == schema_text(), (
        "write bot.settings.schema_text() to config/schema.json: the models have changed"
    )
    jsonschema.Draft202012Validator.check_schema(json.loads(committed))


@pytest.mark.parametrize(
    ("section", "key", "value"),
    [
        ("venue", "nmae", "deribit"),
        ("venue", "secret", "sk-live-Gh7Q"),
        ("venue", "secret", {}),
        ("margin", "warn_percent", 0.5),
        ("safety", "rejects_max", 2.5),
        ("dashboard", "port", "8080"),
    ],
)
def test_an_editor_marks_what_the_daemon_would_refuse(section: str, key: str, value: Any):
    config = plain("demo.yaml")
    config[section][key] = value

    errors = list(jsonschema.Draft202012Validator(schema()).iter_errors(config))

    assert errors


def test_every_key_has_a_description_in_the_schema():
    sections = [schema(), *schema()["$defs"].values()]
    described = [
        (name, prop)
        for section in sections
        for name, prop in section.get("properties", {}).items()
        if "$ref" not in prop
    ]

    assert len(described) > 40
    assert [name for name, prop in described if not prop.get("description")] == []
    assert not any("\n" in prop["description"] for _, prop in described)


def test_the_demo_explains_every_key_there_is():
    explained = {
        word.strip("#: ")
        for line in DEMO.splitlines()
        for word in line.split()
        if word.endswith(":")
    }
    sections = (schema(), *schema()["$defs"].values())
    defined = {key for section in sections for key in section.get("properties", {})}

    left_to_other_files = {"key", "secret", "token", "env", "file", "allow_remote"}
    assert defined - explained - left_to_other_files == set()


def test_only_the_live_and_testnet_files_need_secrets_and_they_say_which():
    assert load(CONFIG / "demo.yaml").credentials({}).key == "demo"
    for name, variables in (
        ("deribit-testnet.yaml", ("DERIBIT_TESTNET_KEY", "DERIBIT_TESTNET_SECRET")),
        ("deribit-live.yaml", ("DERIBIT_KEY", "DERIBIT_SECRET")),
    ):
        with pytest.raises(ConfigError) as raised:
            load(CONFIG / name).credentials({})
        assert all(variable in str(raised.value) for variable in variables)


def test_the_embedded_exchange_asks_for_what_the_shipped_models_reckon() -> None:
    """Ours is compared with the venue's at every balance: in a rehearsal the two are one model."""
    rules, shipped = ExchangeRules(), parameters(Deribit)

    for path in SHIPPED:
        model = load(path).policy().model
        assert isinstance(model, DeribitStandard)
        assert model.parameters == shipped.standard
    assert replace(shipped.standard, provenance=()) == rules.standard_margin
