"""The report as one self-contained page: no network, no script; light and dark; prints on paper."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import jinja2

from privacy.audit.charts import line_chart
from privacy.audit.evidence import AttackResult

_MESSAGES = {
    "query.enrol": "enrolment: a public key, once",
    "query.setup": "set-up: encrypted shares for other clients",
    "train": "training: one masked vector",
    "query.unmask": "opening: shares that open the sum only",
}
_PARTS = {
    "enrolment": "signed public keys",
    "setup": "encrypted shares",
    "header": "signed header of the vector",
    "vector": "masked update, indistinguishable from noise",
    "unmask": "locked shares of the round's masks",
    "refusal": "a refusal, with its reason",
}
_MODES = {
    "distributed": "each client clips what one person can contribute and adds a share of noise; only the sum of "
    "all clients, noise and all, is ever opened",
    "silo": "each client adds all the noise itself, before anything leaves it",
    "device": "each client is one person; its whole update is clipped and carries a share of noise",
    "none": "no noise: the sum is hidden from everyone but can still tell about a single person",
}


def render(report: Mapping[str, Any], evidence: Sequence[AttackResult] = (), *, language: str = "en") -> str:
    """Return the page of a report made by :func:`privacy.audit.report.build_report`."""
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    environment.filters["size"] = _size
    environment.filters["auc"] = lambda value: "–" if value is None else f"{value:.3f}"
    template = environment.from_string(_TEMPLATE)
    return template.render(
        report=report,
        privacy=report["privacy"],
        charts=_charts(report),
        messages=_MESSAGES,
        parts=_PARTS,
        mode_text=_MODES[report["privacy"]["mode"]],
        meaning=_meaning(report["privacy"]),
        totals=_totals(report["rounds"]),
    )


def _charts(report: Mapping[str, Any]) -> dict[str, str]:
    rounds = report["rounds"]
    names = list(report["model"]["attributes"])
    areas = {
        name: [(line["round"], _number(line["auc"].get(name))) for line in rounds if line["loss"] is not None]
        for name in names
    }
    spent = {"ε spent": [(line["round"], _number(line["epsilon"])) for line in rounds]}
    budget = report["privacy"]["epsilon_promised"]
    losses = {"loss": [(line["round"], line["loss"]) for line in rounds if line["loss"] is not None]}
    survivors = {
        "asked": [(line["round"], line["cohort"]) for line in rounds],
        "in the sum": [(line["round"], line["survivors"]) for line in rounds],
    }
    return {
        "auc": line_chart(
            areas, title="AUC by round", x_label="round", y_label="AUC, unseen persons", y_range=(0.4, 1.0)
        ),
        "loss": line_chart(losses, title="Loss by round", x_label="round", y_label="loss, unseen persons"),
        "epsilon": line_chart(
            spent,
            title="ε spent by round",
            x_label="round",
            y_label="ε",
            limit=(budget, f"budget ε = {budget:g}") if budget else None,
        ),
        "survivors": line_chart(survivors, title="Clients by round", x_label="round", y_label="clients"),
    }


def _meaning(privacy: Mapping[str, Any]) -> dict[str, str] | None:
    """Say ε as the best possible success of someone who looks for the people that took part."""
    if privacy["epsilon_spent"] is None:
        return None
    return {
        "epsilon": f"{privacy['epsilon_spent']:.2f}",
        "found": f"{privacy['tpr_at_fpr_1_percent'] * 100:.1f} %",
    }


def _totals(rounds: list[Mapping[str, Any]]) -> dict[str, float]:
    return {
        "up": sum(line["bytes_up"] for line in rounds),
        "down": sum(line["bytes_down"] for line in rounds),
        "seconds": sum(line["seconds"] for line in rounds),
    }


def _number(value: float | None) -> float:
    return math.nan if value is None else value


def _size(count: float) -> str:
    for unit in ("bytes", "kB", "MB", "GB"):
        if count < 1000 or unit == "GB":
            break
        count /= 1000
    return f"{count:.0f} {unit}" if unit == "bytes" else f"{count:.1f} {unit}"


_STYLE = """
:root { color-scheme: light dark; --ink: #1d2026; --quiet: #626873; --paper: #fdfcfa; --edge: #e2ded6;
  --card: #f5f2ec; --good: #2c6e4f; --bad: #a23b2a;
  --line-0: #b5533c; --line-1: #2f6f8f; --line-2: #7a8b2f; --line-3: #8a5a9e; --line-4: #c48a1d; --line-5: #4a4f5a; }
@media (prefers-color-scheme: dark) { :root { --ink: #e8e6e1; --quiet: #a0a3a9; --paper: #17181b; --edge: #34363b;
  --card: #202226; --good: #7cc7a1; --bad: #e58b7b; --line-0: #e08a73; --line-1: #7bb6d3; --line-2: #b7c76c;
  --line-3: #c39ad6; --line-4: #e5b65a; --line-5: #b9bdc6; } }
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.55 system-ui, sans-serif; }
main { max-width: 62rem; margin: 0 auto; padding: 2.5rem 1.25rem 4rem; }
h1 { font-size: 1.9rem; line-height: 1.2; margin: 0 0 .3rem; font-weight: 650; }
h2 { font-size: 1.2rem; margin: 2.6rem 0 .6rem; font-weight: 650; }
p { margin: .5rem 0; max-width: 44rem; }
.quiet, figcaption, th { color: var(--quiet); }
.label { display: grid; grid-template-columns: repeat(auto-fit, minmax(11rem, 1fr)); gap: 1px; margin: 1.6rem 0;
  background: var(--edge); border: 1px solid var(--edge); border-radius: 10px; overflow: hidden; }
.label div { background: var(--card); padding: .9rem 1rem; }
.label b { display: block; font-size: 1.55rem; line-height: 1.25; font-weight: 650; }
.label span { color: var(--quiet); font-size: .86rem; }
.warning { border-left: 4px solid var(--bad); background: var(--card); padding: .7rem 1rem; max-width: none; }
table { border-collapse: collapse; width: 100%; font-size: .93rem; }
th, td { text-align: left; padding: .4rem .7rem .4rem 0; border-bottom: 1px solid var(--edge); vertical-align: top; }
th { font-weight: 500; }
.number { text-align: right; font-variant-numeric: tabular-nums; }
.charts { display: grid; grid-template-columns: repeat(auto-fit, minmax(19rem, 1fr)); gap: 1rem 2rem; }
figure { margin: 0; } svg { width: 100%; height: auto; display: block; }
svg text { fill: var(--quiet); font-size: 12px; font-family: inherit; }
.grid { stroke: var(--edge); } .line { fill: none; stroke-width: 2.2; stroke-linejoin: round; }
.limit { stroke: var(--bad); stroke-dasharray: 5 4; }
figcaption span { margin-right: 1.1rem; font-size: .86rem; white-space: nowrap; }
figcaption i { display: inline-block; width: .8em; height: .8em; border-radius: 2px; margin-right: .4em; }
code, pre { font: .88rem/1.5 ui-monospace, monospace; } pre { background: var(--card); padding: .8rem 1rem;
  border-radius: 8px; overflow-x: auto; } .hash { word-break: break-all; }
@media print { main { padding: 0; max-width: none; } h2 { break-after: avoid; } figure, tr { break-inside: avoid; } }
"""

_TEMPLATE = (
    """<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'">
<title>Mien report: {{ report.run }}</title>
<style>"""
    + _STYLE
    + """</style>
</head>
<body><main>
<h1>{{ report.config.name }}</h1>
<p class="quiet">Report of the run {{ report.run }} · {{ report.state }} · {{ report.opened }} rounds opened</p>

{% if privacy.randomness == "test-only" %}
<p class="warning"><strong>This run protects nothing.</strong> Its masks and noise came from a repeatable source
({{ "randomness = test-only" }}), so that it can be compared to the bit. Never use it with real people.</p>
{% endif %}
{% if privacy.mode == "none" %}
<p class="warning"><strong>No differential privacy.</strong> Single updates were hidden, but the trained model may
tell whether one person took part.</p>
{% endif %}
{% if report.data.synthetic %}
<p class="quiet">All faces of this run are synthetic: drawn by a program, of no living person. Figures for them say
that the machinery works, not how well it would do on photographs.</p>
{% endif %}

<div class="label">
{% if meaning %}
<div><b>ε = {{ meaning.epsilon }}</b><span>spent for each person, at δ = {{ "%g"|format(privacy.delta) }};
promised at most {{ "%g"|format(privacy.epsilon_promised) }}</span></div>
<div><b>{{ meaning.found }}</b><span>of those who took part could be found, at the very most, by someone who sees
every model and errs on 1 % of those who did not (1 % is blind guessing)</span></div>
{% else %}
<div><b>ε = ∞</b><span>no bound on what the model tells about one person</span></div>
{% endif %}
<div><b>0 photos</b><span>left a device; nor a crop, a landmark, a label or a name</span></div>
<div><b>{{ totals.up|size }}</b><span>masked data sent by {{ report.data.clients }} clients in all,
{{ totals.down|size }} received</span></div>
</div>

<h2>What was trained, and on what</h2>
<p>The model <code>{{ report.model.name }}</code> ({{ "{:,}".format(report.model.parameters) }} parameters) learned
{{ report.model.attributes|length }} attributes from {{ "{:,}".format(report.data.train_photos) }} photos of
{{ "{:,}".format(report.data.train_persons) }} {{ "synthetic " if report.data.synthetic else "" }}persons, spread over
{{ report.data.clients }} clients. It was evaluated on {{ "{:,}".format(report.data.test_photos) }} photos of
{{ "{:,}".format(report.data.test_persons) }} persons that no client has.</p>
<p class="quiet">These attributes measure the learning machinery. They are labels that people gave to pictures, not
facts about anyone, and advice is never drawn from them.</p>
{% if report.best %}
<table>
<tr><th>attribute</th><th class="number">AUC after round {{ report.best.round }}</th></tr>
{% for name, value in report.best.auc.items() %}
<tr><td>{{ name }}</td><td class="number">{{ value|auc }}</td></tr>
{% endfor %}
</table>
{% endif %}
<div class="charts">{{ charts.auc|safe }}{{ charts.loss|safe }}</div>

<h2>What was promised, and what was spent</h2>
<p>The unit of protection is one <strong>{{ privacy.unit }}</strong>, with all of her photos. Way of working:
{{ mode_text }}.</p>
{% if privacy.mode == "distributed" %}
<p>This holds against everyone who sees the released models, and against the coordinator too, as long as no more
than {{ "%g"|format(report.config.privacy.collusion * 100) }} % of the surviving clients collude with it: their
noise is not counted.</p>
{% endif %}
{% if privacy.accountant %}
<p class="quiet">ε is computed from the plans in the transcript by {{ privacy.accountant }}, for the client that was
asked most often ({{ privacy.rounds_of_busiest_client }} rounds).</p>
{% endif %}
<div class="charts">{{ charts.epsilon|safe }}{{ charts.survivors|safe }}</div>
{% if report.aborted %}
<p>Rounds in which nothing was opened:</p>
<table><tr><th>round</th><th>why</th></tr>
{% for line in report.aborted %}<tr><td>{{ line.round }}</td><td>{{ line.reason }}</td></tr>{% endfor %}
</table>
{% endif %}

<h2>What left the devices</h2>
<table>
<tr><th>message</th><th>part</th><th>type</th><th class="number">how many</th><th class="number">size in all</th></tr>
{% for row in report.left_the_devices %}
<tr><td>{{ messages.get(row.message, row.message) }}</td><td>{{ parts.get(row.part, row.part) }}</td>
<td>{{ row.type }}</td><td class="number">{{ "{:,}".format(row.count) }}</td>
<td class="number">{{ row.bytes|size }}</td></tr>
{% endfor %}
</table>
<p class="quiet">Anything else is stopped on the device by an allow-list.</p>

<h2>Repeat it</h2>
<pre>mien simulate {{ report.run }}/config.toml</pre>
<table>
<tr><td>configuration</td><td class="hash"><code>sha256 {{ report.config_sha256 }}</code></td></tr>
<tr><td>transcript</td><td class="hash"><code>{{ report.transcript.lines }} lines, head
{{ report.transcript.head }}</code></td></tr>
<tr><td>source</td><td class="hash"><code>{{ report.environment.revision }}</code></td></tr>
<tr><td>engine</td><td>{{ report.environment.engine }}, Python {{ report.environment.python }},
{% for name, version in report.environment.packages.items() %}{{ name }} {{ version }}{{ ", " if not loop.last }}{% endfor %}
</td></tr>
</table>
</main></body></html>
"""
)
