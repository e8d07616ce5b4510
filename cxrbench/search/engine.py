"""Find and build the engine that a setting names."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.component import Part, bind, check_options, parse_component, with_relative_paths
from cxrbench.plugin.specs import Engine
from cxrbench.search.study import search_space

if TYPE_CHECKING:
    from cxrbench.plugin.contracts import Proposer
    from cxrbench.plugin.host import Host
    from cxrbench.plugin.specs import Space


def find_engine(text: str, host: Host, policy: str) -> Part[Engine]:
    """Return the engine of a component string; build it once, so that errors appear before the work starts.

    Raises:
        ConfigError: the name is unknown or an option is invalid.
        MissingRequirement: a package that the engine needs is not installed.
    """
    component = parse_component(text)
    declaration = host.find(Engine, component.name)
    check_options(bind(component, declaration))
    engine = bind(with_relative_paths(component), declaration)
    build_engine(engine, search_space(policy, {}), seed=0)
    return engine


def build_engine(engine: Part[Engine], space: Space, seed: int) -> Proposer:
    """Call the engine's factory."""
    proposer: Proposer = engine.build(space=space, seed=seed)
    return proposer
