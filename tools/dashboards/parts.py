"""What dashboards are made of: a query, panels with their unit and their reason, and the choices on top."""

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from string import ascii_uppercase
from typing import Any

from grafana_foundation_sdk.builders import common, dashboard, prometheus, stat, table, timeseries
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import common as kinds
from grafana_foundation_sdk.models import dashboard as models
from grafana_foundation_sdk.models.prometheus import PromQueryFormat

from consumer.alerts.alert import Board
from consumer.alerts.rules import ALERTS
from consumer.settings.alerts import Alerts
from consumer.telemetry.metrics import BUILD

DEFAULTS = Alerts()
"""The thresholds that panels show."""

_SOURCE = models.DataSourceRef(type_val="prometheus", uid="${datasource}")
_GREEN, _YELLOW, _RED = "green", "yellow", "red"
WIDTH = 24


@dataclass(frozen=True, slots=True)
class Query:
    """An expression, and what its series are called."""

    expr: str
    legend: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    """What is common to all: `why` is read by whoever hovers over it, with the runbooks of `alerts` below it."""

    title: str
    why: str
    queries: tuple[Query, ...]
    unit: str = "short"
    width: int = 12
    # from where on it is yellow and red
    warn: float | None = None
    bad: float | None = None
    alerts: tuple[str, ...] = ()

    def described(self) -> str:
        """The reason and where to go on."""
        known = {alert.name: alert.page for alert in ALERTS}
        pages = ", ".join(f"`{known[name]}`" for name in self.alerts)
        return f"{self.why}\n\nRunbooks: {pages}" if pages else self.why


@dataclass(frozen=True, slots=True, kw_only=True)
class Tile(Panel):
    """One number, the worst of now."""

    width: int = 4
    # what stands there while there is no series
    none: str = "-"


@dataclass(frozen=True, slots=True, kw_only=True)
class Lines(Panel):
    """Values over time."""

    stacked: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class Listing(Panel):
    """Rows of labels; the columns that are shown, by what they are called."""

    columns: Mapping[str, str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """A heading with what stands below it."""

    title: str
    panels: Sequence[Panel]


def board(uid: Board, title: str, about: str, rows: Iterable[Row]) -> str:
    """A dashboard as JSON."""
    made = dashboard.Dashboard(title).uid(uid).description(about).tags(["headrace"]).readonly()
    made.time("now-6h", "now").refresh("30s").timezone("browser").tooltip(models.DashboardCursorSync.CROSSHAIR)
    for choice in _choices():
        made.with_variable(choice)
    made.link(_others())
    for row in rows:
        made.with_row(dashboard.Row(row.title))
        for panel in row.panels:
            made.with_panel(_built(panel))
    return json.dumps(_numbered(made.build()), indent=1, cls=JSONEncoder, ensure_ascii=False, sort_keys=True) + "\n"


def _numbered(made: models.Dashboard) -> models.Dashboard:
    """Panels with numbers of their own, which links and pictures of single panels want."""
    for number, panel in enumerate(made.panels or (), start=1):
        panel.id_val = number
    return made


def _others() -> dashboard.DashboardLink:
    link = dashboard.DashboardLink("Headrace").type(models.DashboardLinkType.DASHBOARDS).tags(["headrace"])
    return link.include_vars(True).keep_time(True).as_dropdown(False)


def _choices() -> list[Any]:
    """Where from, which group, which of its processes; `process` stands for all of them and is not shown."""
    source = dashboard.DatasourceVariable("datasource").label("Prometheus").type("prometheus")
    group = _asked("group", f"label_values({BUILD.name}, group)").label("group")
    one_of = f'label_values({BUILD.name}{{group="$group"}}, instance)'
    worker = _asked("worker", one_of).label("process").multi(True).include_all(True).current(_ALL)
    process = _asked("process", one_of).multi(True).include_all(True).current(_ALL)
    return [source, group, worker, process.hide(models.VariableHide.HIDE_VARIABLE)]


_ALL = models.VariableOption(selected=True, text="All", value="$__all")


def _asked(name: str, query: str) -> dashboard.QueryVariable:
    made = dashboard.QueryVariable(name).query(query).datasource(_SOURCE)
    # as time goes on processes come and go
    return made.refresh(models.VariableRefresh.ON_TIME_RANGE_CHANGED).sort(models.VariableSort.ALPHABETICAL_ASC)


def _built(panel: Panel) -> Any:
    match panel:
        case Tile():
            made: Any = _tile(panel)
        case Lines():
            made = _lines(panel)
        case Listing():
            return _listing(panel)
        case _:
            raise TypeError(f"{panel!r} is no panel that can be drawn")
    for name, query in zip(ascii_uppercase, panel.queries, strict=False):
        asked = prometheus.Dataquery().ref_id(name).expr(query.expr).legend_format(query.legend).range()
        made.with_target(asked.datasource(_SOURCE))
    return _common(made, panel)


def _common(made: Any, panel: Panel) -> Any:
    made.title(panel.title).description(panel.described()).datasource(_SOURCE).unit(panel.unit).span(panel.width)
    return made


def _steps(panel: Panel) -> dashboard.ThresholdsConfig:
    steps = [models.Threshold(value=None, color=_GREEN)]
    steps += [
        models.Threshold(value=value, color=color)
        for value, color in ((panel.warn, _YELLOW), (panel.bad, _RED))
        if value is not None
    ]
    return dashboard.ThresholdsConfig().mode(models.ThresholdsMode.ABSOLUTE).steps(steps)


def _tile(panel: Tile) -> stat.Panel:
    made = stat.Panel().height(4).thresholds(_steps(panel)).no_value(panel.none)
    coloured = panel.warn is not None or panel.bad is not None
    made.color_mode(kinds.BigValueColorMode.BACKGROUND if coloured else kinds.BigValueColorMode.NONE)
    made.graph_mode(kinds.BigValueGraphMode.AREA).reduce_options(common.ReduceDataOptions().calcs(["lastNotNull"]))
    return made


def _lines(panel: Lines) -> timeseries.Panel:
    made = timeseries.Panel().height(8).min(0).line_width(1).show_points(kinds.VisibilityMode.NEVER)
    legend = common.VizLegendOptions().display_mode(kinds.LegendDisplayMode.TABLE).show_legend(True)
    made.legend(legend.placement(kinds.LegendPlacement.BOTTOM).calcs(["lastNotNull", "max"]))
    made.tooltip(common.VizTooltipOptions().mode(kinds.TooltipDisplayMode.MULTI).sort(kinds.SortOrder.DESCENDING))
    made.fill_opacity(30 if panel.stacked else 5)
    if panel.stacked:
        made.stacking(common.StackingConfig().mode(kinds.StackingMode.NORMAL))
    if panel.warn is not None or panel.bad is not None:
        made.thresholds(_steps(panel))
        made.thresholds_style(common.GraphThresholdsStyleConfig().mode(kinds.GraphTresholdsStyleMode.DASHED))
    return made


def _listing(panel: Listing) -> Any:
    made = table.Panel().height(8).show_header(True).thresholds(_steps(panel))
    (query,) = panel.queries
    asked = prometheus.Dataquery().ref_id("A").expr(query.expr).instant().format(PromQueryFormat.TABLE)
    made.with_target(asked.datasource(_SOURCE))
    options = {
        "include": {"names": list(panel.columns)},
        "indexByName": {name: place for place, name in enumerate(panel.columns)},
        "renameByName": dict(panel.columns),
    }
    shown = {"include": options["include"]}
    made.with_transformation(models.DataTransformerConfig(id_val="filterFieldsByName", options=shown))
    renamed = {name: options[name] for name in ("indexByName", "renameByName")}
    made.with_transformation(models.DataTransformerConfig(id_val="organize", options=renamed))
    return _common(made, panel)
