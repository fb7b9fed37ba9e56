"""The tables of variables and keys, as the reference page wants them."""

from collections.abc import Iterable

from cognitive_api.crd import model_schema
from cognitive_api.reference import Spelling, render_settings

from .configuration import Configuration
from .filekeys import FILE_KEYS
from .variables import VARIABLES, Sort, Variable


def settings_page() -> str:
    """The page, in Markdown."""
    file_keys = [Spelling(row.key, (row.sets,), row.says, row.alarming) for row in FILE_KEYS]
    return render_settings(
        model_schema(Configuration),
        _spelled(item for item in VARIABLES if item.sort in (Sort.PROCESS, Sort.SETTING)),
        _spelled(item for item in VARIABLES if item.sort is Sort.SECRET),
        [item for item in file_keys if item.sets != ("",)],
        [
            *_spelled(item for item in VARIABLES if item.sort is Sort.UNUSED),
            *(item for item in file_keys if item.sets == ("",)),
        ],
    )


def _spelled(variables: Iterable[Variable]) -> list[Spelling]:
    return [
        Spelling(
            item.name,
            tuple(path for path, _ in item.sets),
            _remark(item),
            item.alarming,
        )
        for item in variables
    ]


def _remark(variable: Variable) -> str:
    if not variable.backends:
        return variable.says
    backends = " or ".join(f"`{item}`" for item in sorted(variable.backends))
    return f"{variable.says} Only while llm.backend is {backends}.".strip()
