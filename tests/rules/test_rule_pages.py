"""The page of each rule names its thresholds and its severity, and has every section."""

import dataclasses
import json
import re
from pathlib import Path

import pytest

from experiments.diagnosis_record.judgement import RULE_OF
from vg_keras.rules import RULES

ROOT = Path(__file__).parents[2]
PAGES = ROOT / "docs" / "rules"
RESULTS = ROOT / "experiments" / "diagnosis_record" / "results.json"
SECTIONS = [
    "What it checks",
    "Why it matters",
    "Evidence",
    "What to do",
    "Measured",
    "Known false alarms and blind spots",
    "References",
]

rules = pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.code)


def page_of(rule):
    return (PAGES / f"{rule.code}.md").read_text()


def test_every_rule_has_a_page():
    assert {f"{rule.code}.md" for rule in RULES} == {path.name for path in PAGES.glob("VG*.md")}


@rules
def test_a_page_has_every_section(rule):
    page = page_of(rule)

    assert page.startswith(f"# {rule.code}: {rule.name}\n\nSeverity: {rule.severity}. ")
    assert re.findall(r"^## (.*)$", page, re.MULTILINE) == SECTIONS


@rules
def test_a_page_names_the_default_of_every_threshold(rule):
    on_page = dict(re.findall(r"`(\w+)=([\d.e+-]+)`", page_of(rule)))
    defaults = {f.name: f.default for f in dataclasses.fields(rule) if f.name != "num_records"}

    assert {name: float(on_page.get(name, "nan")) for name in defaults} == defaults


def counted(rate):
    low, high = rate["interval"]
    return f"{rate['hits']} of {rate['number']} ({low:.0%} to {high:.0%})"


@rules
def test_a_page_says_what_was_measured(rule):
    (kind,) = [kind for kind, code in RULE_OF.items() if code == rule.code]
    measured = json.loads(RESULTS.read_text())["numbers"]["rates"]["by_kind"][kind]
    page = page_of(rule)

    assert f"found {counted(measured['recall'])} of the sick runs" in page
    assert f"flagged {counted(measured['false_alarms'])} of the healthy ones" in page


@rules
def test_links_between_pages_lead_somewhere(rule):
    links = re.findall(r"\]\((?!http)([^)#]+)", page_of(rule))

    assert [link for link in links if not (PAGES / link).exists()] == []


def test_the_index_lists_every_rule():
    listed = re.findall(
        r"^\| \[(VG\d+)\].* \| ([\w-]+) \| (\w+) \|", (PAGES / "index.md").read_text(), re.MULTILINE
    )

    assert listed == sorted((rule.code, rule.name, rule.severity) for rule in RULES)
