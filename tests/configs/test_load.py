"""Run configs: what is read, what is refused, and that nothing is lost on the way back to TOML."""

import re
import tomllib
from pathlib import Path

import pytest

from configs.load import load_config, parse_config, to_toml
from mien.errors import ConfigError

SHIPPED = sorted(path.stem for path in (Path(__file__).parents[2] / "configs").glob("*.toml"))


@pytest.mark.parametrize("name", SHIPPED)
def test_shipped_configs_are_valid_and_survive_a_round_trip(name: str) -> None:
    config = load_config(name)
    assert parse_config(tomllib.loads(to_toml(config)), where="resolved") == config


def test_overrides_apply_in_order_and_need_no_quotes() -> None:
    config = load_config("demo", ["rounds.count=5", "data.source=celeba=/faces", "rounds.count=6"])
    assert config.rounds.count == 6
    assert config.data.source == "celeba=/faces"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("rounds.cuont=5", "rounds.cuont: unknown key; did you mean count?"),
        ("rounds.count=0", "rounds.count: Input should be greater than or equal to 1; found 0"),
        ("privacy.mode=magic", "privacy.mode"),
        ("rounds.cohort=99", "rounds.cohort 99 > clients.count"),
        ("training.local_steps=3", "set local_steps = 1"),
        ("clients.partition=iid", "spreads one person over several clients"),
        ("rounds=3", "rounds"),
        ("rounds.count", "expected key=value"),
        ("name.x=1", "name is a value, not a section"),
        ("privacy.epsilon=nan", "privacy.epsilon"),
    ],
)
def test_bad_values_are_refused_with_key_and_remedy(override: str, said: str) -> None:
    with pytest.raises(ConfigError, match=re.escape(said)):
        load_config("demo", [override])


def test_every_fault_is_listed_at_once() -> None:
    with pytest.raises(ConfigError) as caught:
        load_config("demo", ["rounds.count=0", "clients.count=0", "seeed=1"])
    assert "3 fault(s)" in str(caught.value)


def test_a_missing_file_names_what_is_shipped() -> None:
    with pytest.raises(ConfigError, match="demo"):
        load_config("no-such-config")


def test_bad_toml_names_the_place(tmp_path: Path) -> None:
    file = tmp_path / "broken.toml"
    file.write_text("seed = = 1\n")
    with pytest.raises(ConfigError, match="line 1"):
        load_config(file)
