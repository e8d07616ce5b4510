"""Find and build the engine that a setting names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.component import parse_component
from cxrbench.config.given import filled_arguments
from cxrbench.config.part import Part, bind, check_options
from cxrbench.plugin.specs import Engine
from cxrbench.search.study import search_space

if TYPE_CHECKING:
    from cxrbench.plugin.contracts import Proposer
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Space


def find_engine(text: str, host: Host, policy: str, trials: int) -> Part[Engine]:
    """Return the engine of a component string; build it once, so that errors appear before the work starts.

    Raises:
        ConfigError: the name is unknown or an option is invalid.
        MissingRequirement: a package that the engine needs is not installed.
    """
    component = parse_component(text)
    engine = bind(component, host.find(Engine, component.name))
    check_options(engine)
    build_engine(engine, search_space(policy, {}), seed=0, trials=trials)
    return engine


def build_engine(engine: Part[Engine], space: Space, seed: int, trials: int) -> Proposer:
    """Call the engine's factory for a study of so many trials."""
    proposer: Proposer = engine.build(space=space, seed=seed, trials=trials)
    return proposer


def engine_identity(engine: Part[Engine], trials: int) -> str:
    """Return everything that proposals depend on besides space, seed and finished trials.

    The number of trials is part of it only for an engine that is told it. Studies of all others go on with more trials.
    """
    is_told = "trials" in filled_arguments(engine.spec, engine.factory())
    return f"{engine.identity}|trials={trials}" if is_told else engine.identity
