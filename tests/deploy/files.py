"""Reading the files under deploy/ as the programs that they are for read them."""

import re
from collections import defaultdict
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"


def yaml(path: Path) -> Any:
    return YAML(typ="safe", pure=True).load(path.read_text(encoding="utf-8"))


def unit(path: Path) -> dict[str, dict[str, list[str]]]:
    """A unit's settings by section; a setting may be given several times."""
    sections: dict[str, dict[str, list[str]]] = {}
    joined = re.sub(r"\\\n\s*", " ", path.read_text(encoding="utf-8"))
    current: dict[str, list[str]] = {}
    for line in joined.splitlines():
        if line.startswith("["):
            current = sections.setdefault(line.strip("[]"), defaultdict(list))
        elif line and not line.startswith("#"):
            name, _, value = line.partition("=")
            current[name].append(value)
    return sections


def instructions(path: Path) -> list[tuple[str, str]]:
    """A Dockerfile's instructions in their order, continuations joined, comments gone."""
    text = "\n".join(
        line
        for line in path.read_text(encoding="utf-8").splitlines()
        if not line.lstrip().startswith("#")
    )
    joined = re.sub(r"\\\n\s*", " ", text)
    words = (line.split(maxsplit=1) for line in joined.splitlines() if line.strip())
    return [(word.upper(), rest) for word, rest in words]
