"""Every component of the first-party plugins with its options."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cxrbench.config.component import Component
from cxrbench.config.component_options import ANY_OPTION, component_options
from cxrbench.config.part import bind
from cxrbench.plugin.host import KINDS, kind_name, load_host
from docs_reference.markdown import cell, code, page, table

if TYPE_CHECKING:
    from cxrbench.plugin.host import Declaration
    from cxrbench.plugin.specs import Spec

INTRODUCTION = """\
These components come with cxrbench. Write one as `name` or `name:key=value,key=value`. Put it in quotes if it has spaces or
wildcards. `all` and patterns such as `'efficientnet*'` name several. `cxrbench plugins list` also has those of other plugins.

Every dataset also takes `source`, every backbone `weights` and `seen`, and every augmentation `views`.
"""
NOTES = {
    "backbone": """\
`weights=none` draws the weights of a backbone at random. By default each network gets pixels as it was trained on.
`preprocessing=rescale` feeds it pixels of 0..1 instead, as many notebooks do with all networks. `seen=nih+chexpert` says which
[public collections](../how-to/collections.md#collections-share-images) its weights learnt from. Backbones whose names begin
with `control-` are controls.
""",
    "augmentation": "`views=N` sets how many augmented views of each training image are drawn.",
    "shift": "`strength` is set by `--robustness`: [Score shifted images](../how-to/shifts.md).",
}


def components_page() -> str:
    """Return the page of all components."""
    host = load_host([])
    parts = []
    for kind in KINDS:
        name = kind_name(kind)
        declared = [one for one in host.declarations(kind) if one.plugin.distribution == "cxrbench"]
        rows = [(code(one.spec.name), cell(one.spec.summary), _options(one)) for one in declared]
        parts += [f"## {name.capitalize()}s", NOTES.get(name, ""), table(("name", "is", "options and defaults"), rows)]
    return page("Components", "the first-party plugins", INTRODUCTION, *parts)


def _options(declaration: Declaration[Spec]) -> str:
    part = bind(Component(name=declaration.spec.name), declaration)
    options = component_options(part, part.resolve(declaration.spec.factory))
    shown = []
    for one in options:
        if one.name == ANY_OPTION:
            shown.append("any other")
        elif one.of == "plugin":
            value = str(one.default).lower() if isinstance(one.default, bool) else one.default
            shown.append(code(one.name if value in {None, ""} else f"{one.name}={value}"))
    return ", ".join(shown)
