"""Find the engine that a setting names, and build it."""

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
    """Return the engine of a component string.

    Raises:
        ConfigError: an unknown name or a wrong option.
        MissingRequirement: a package that it needs; better before the work than after it.
    """
    component = with_relative_paths(parse_component(text))
    engine = bind(component, host.find(Engine, component.name))
    check_options(engine)
    build_engine(engine, search_space(policy, {}), seed=0)
    return engine


def build_engine(engine: Part[Engine], space: Space, seed: int) -> Proposer:
    """Call the engine's factory."""
    built: Proposer = engine.build(space=space, seed=seed)
    return built
