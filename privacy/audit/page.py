"""The report as one self-contained page: no network, no script; light and dark; English and Chinese; prints on paper.

The page is a function of the report and of the attacks' results alone, so an auditor can draw it again and compare.
"""

from __future__ import annotations

import functools
import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import jinja2

from privacy.audit.charts import bar_chart, dot_grid, line_chart, roc_chart
from privacy.audit.evidence import AttackResult
from privacy.audit.page_style import STYLE, STYLE_HASH
from privacy.audit.page_template import TEMPLATE
from privacy.audit.rows import all_of_hers, is_feedback, left_behind, rows_named, synthetic_note
from privacy.audit.standards import standards
from privacy.audit.tables import tables
from privacy.audit.words import Words, same, size_text, words
from privacy.egress import ALLOWED

_MESSAGES = {
    "query.enrol": words("enrolment, once", "注册，仅一次"),
    "query.setup": words("set-up", "建立密钥"),
    "train": words("training", "训练"),
    "query.unmask": words("opening", "打开总和"),
}
_PARTS = {
    "enrolment": words("signed public keys", "签名的公钥"),
    "setup": words("encrypted shares for other clients", "给其他客户端的加密份额"),
    "header": words("signed header of the vector", "向量的签名头"),
    "vector": words("masked update, like noise", "掩码更新，形同噪声"),
    "unmask": words("locked shares that open the sum only", "只能打开总和的加锁份额"),
    "refusal": words("a refusal, with its reason", "拒绝及其理由"),
    "receipt": words("the ledger's receipt", "账本回执"),
}
_TYPES = {
    "signed bytes": words("signed bytes", "签名字节"),
    "uint32 vector": words("32-bit words", "32 位字"),
    "uint64 vector": words("64-bit words", "64 位字"),
}
_MODES = {
    "distributed": words("what one person adds is clipped; a share of the noise is added", "裁剪每个人的贡献，并加上一份噪声"),
    "silo": words("what one person adds is clipped; all the noise is added here", "裁剪每个人的贡献，并在此加上全部噪声"),
    "device": words("the device's whole update is clipped; a share of the noise is added", "裁剪设备的整个更新，并加上一份噪声"),
    "none": words("nothing is clipped, and no noise is added", "不裁剪，也不加噪声"),
}  # fmt: skip
_KINDS = {
    "lower bound": words("lower bound", "下界"),
    "estimate": words("estimate, no bound", "估计，非界"),
    "measurement": words("measurement", "测量"),
}
_ANSWERS = {
    "answered": (words("answered", "已答"), "holds"),
    "stated": (words("stated", "已说明"), "holds"),
    "open": (words("open", "未答"), "measured"),
    "not applicable": (words("not applicable", "不适用"), "measured"),
}
_STATES = {"finished": words("finished", "已完成"), "interrupted": words("interrupted", "已中断")}


def render(report: Mapping[str, Any], evidence: Sequence[AttackResult] = (), *, language: str = "en") -> str:
    """Return the page of a report that lacks only its page's hash and its signature; it opens in ``language``."""
    tests = [_test(result) for result in evidence]
    return _template().render(
        report=report,
        privacy=report["privacy"],
        language=language,
        style=STYLE,
        style_hash=STYLE_HASH,
        t=words,
        state=_STATES[report["state"]],
        label=_label(report),
        mode_text=_MODES[report["privacy"]["mode"]],
        traffic=_traffic(report),
        trained=_trained(report),
        charts=_charts(report),
        tests=tests,
        refuted=[test for test in tests if test["verdict_class"] == "refuted"],
        roc=_roc(report, evidence),
        tables=tables(report),
        standards=standards(report),
        answers=_ANSWERS,
    )


@functools.cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(autoescape=True, trim_blocks=True, lstrip_blocks=True)
    return environment.from_string(TEMPLATE)


def _label(report: Mapping[str, Any]) -> dict[str, Any]:
    privacy = report["privacy"]
    rate, advantage = privacy["tpr_at_fpr_1_percent"], privacy["advantage"]
    share = f"{report['config']['privacy']['collusion'] * 100:g} %"
    against, assumption = (
        words("everyone", "所有人"),
        words("the coordinator included, without trust in others", "包括协调者，无需信任他人"),
    )
    if privacy["mode"] in ("distributed", "device"):
        assumption = words(
            "the coordinator included, unless over {n} of the clients in a sum collude with it",
            "包括协调者，除非总和中超过 {n} 的客户端与其合谋",
            n=share,
        )
    if privacy["epsilon_spent"] is None:
        against, assumption = (
            words("nobody", "无"),
            words(
                "only single updates are hidden, from the coordinator too", "只隐藏单个更新，对协调者也隐藏"
            ),
        )
    found = None if rate is None else math.ceil(rate * 100 - 1e-9)
    return {
        "epsilon": "∞" if privacy["epsilon_spent"] is None else f"{privacy['epsilon_spent']:.2f}",
        "promised": None if privacy["epsilon_promised"] is None else f"{privacy['epsilon_promised']:g}",
        "delta": f"{privacy['delta']:g}",
        "against": against,
        "assumption": assumption,
        "found": found,
        "answers": None if advantage is None else f"{(1 + advantage) * 50:.0f}",
        "dots": "" if found is None else dot_grid(found, 1, words(f"{found} of 100", f"100 中的 {found}")),
        "rows": rows_named(report),
        "hers": all_of_hers(report),
        "stays": left_behind(report)[0],
        "besides": left_behind(report)[1],
        "synthetic": synthetic_note(report),
        "faces": not is_feedback(report),
        "up": size_text(sum(row["bytes"] for row in report["left_the_devices"])),
        "down": size_text(sum(row["bytes"] for row in report["sent_to_the_devices"])),
    }


def _traffic(report: Mapping[str, Any]) -> list[dict[str, Any]]:
    rows = []
    for row in report["left_the_devices"]:
        rule = ALLOWED.get(row["message"], {}).get(row["part"])
        limit = getattr(rule, "limit", None)
        each = size_text(row["smallest"])
        if row["largest"] != row["smallest"]:
            each += f" – {size_text(row['largest'])}"
        rows.append({
            "message": _MESSAGES.get(row["message"], same(row["message"])),
            "part": _PARTS.get(row["part"], same(row["part"])),
            "type": _TYPES.get(row["type"], same(row["type"])),
            "count": f"{row['count']:,}",
            "each": each,
            "all": size_text(row["bytes"]),
            "limit": words("the plan's length", "计划的长度") if limit is None else same(size_text(limit)),
        })  # fmt: skip
    return rows


def _trained(report: Mapping[str, Any]) -> dict[str, Any]:
    model, data = report["model"], report["data"]
    return {
        "m": model["name"], "p": f"{model['parameters']:,}", "a": len(model["attributes"]),
        "rows": rows_named(report),
        "n": f"{data['train_photos']:,}", "k": f"{data['train_persons']:,}", "c": data["clients"],
    }  # fmt: skip


def _charts(report: Mapping[str, Any]) -> dict[str, str]:
    rounds, privacy = report["rounds"], report["privacy"]
    names = list(report["model"]["attributes"])
    number = words("round", "轮次")
    evaluated = [line for line in rounds if line["loss"] is not None]
    areas = {name: [(line["round"], _value(line["auc"].get(name))) for line in evaluated] for name in names}
    budget = privacy["epsilon_promised"]
    people = {"cohort": words("asked", "被请求"), "survivors": words("in the sum", "在总和中")}
    bytes_ = {"up": words("sent by devices", "设备发送"), "down": words("received", "设备接收")}
    spent = {"ε": [(line["round"], _value(line["epsilon"])) for line in rounds]}
    return {
        "epsilon": line_chart(
            spent, title=words("ε spent, round by round", "逐轮用掉的 ε"), x_label=number, y_label=same("ε"),
            limit=(budget, words("budget ε = {n}", "预算 ε = {n}", n=f"{budget:g}")) if budget else None,
        ),
        "budget": bar_chart(_bars(privacy), title=words("Budget, and who adds up", "预算与叠加")),
        "survivors": line_chart(
            {key: [(line["round"], line[key]) for line in rounds] for key in people}, names=people,
            title=words("Clients", "客户端"), x_label=number, y_label=words("clients", "客户端数"),
        ),
        "bytes": line_chart(
            {key: [(line["round"], line[f"bytes_{key}"] / 1e6) for line in rounds] for key in bytes_}, names=bytes_,
            title=words("Traffic", "流量"), x_label=number, y_label=words("MB a round", "每轮 MB"),
        ),
        "auc": line_chart(
            areas, title=words("AUC on unseen persons", "未见过的人上的 AUC"), x_label=number, y_label=same("AUC"), y_range=(0.4, 1.0),
        ),
        "loss": line_chart(
            {"loss": [(line["round"], line["loss"]) for line in evaluated]},
            title=words("Loss on unseen persons", "未见过的人上的损失"), x_label=number, y_label=words("loss", "损失"),
        ),
    }  # fmt: skip


def _bars(privacy: Mapping[str, Any]) -> list[tuple[Words, float | None, str]]:
    spent, promised = privacy["epsilon_spent"], privacy["epsilon_promised"]
    over = spent is not None and promised is not None and spent > promised
    bars: list[tuple[Words, float | None, str]] = [
        (words("spent, one person", "已用，一个人"), spent, "over" if over or spent is None else "spent"),
    ]
    if promised is not None:
        bars.append((words("promised", "承诺"), promised, "promised"))
    if privacy["second_opinion"] is not None:
        bars.append((words("second accountant", "第二种核算"), privacy["second_opinion"]["epsilon"], "spent"))
    bars += [
        (words("{n} people together", "{n} 人一起", n=size), value, "group")
        for size, value in list(privacy["households"].items())[:1]
    ]
    return bars


def _roc(report: Mapping[str, Any], evidence: Iterable[AttackResult]) -> str:
    curves, names = {}, {}
    for result in evidence:
        own = {"": result.figures.roc} if result.figures.roc else {}
        for part, points in {**own, **result.figures.rocs}.items():
            key = f"{result.attack} {part}".strip()
            curves[key] = points
            title = _title(result)
            names[key] = Words(f"{title.en} {part}".strip(), f"{title.zh} {part}".strip())
    if not curves:
        return ""
    title = words("Attacks, and what the promise allows", "攻击与承诺允许的上限")
    return roc_chart(curves, title=title, promise=report["privacy"]["mu_gdp"], names=names)


def _test(result: AttackResult) -> dict[str, Any]:
    verdict = {
        True: (words("holds", "成立"), "holds"),
        False: (words("refuted", "被推翻"), "refuted"),
        None: (words("measured", "已测量"), "measured"),
    }[result.passed]
    groups: dict[str, list[Any]] = {}
    for tile in result.figures.gallery:
        groups.setdefault(tile.group, []).append(tile)
    return {
        "name": _title(result),
        "headline": result.headline or ", ".join(f"{name} {_plain(value)}" for name, value in list(result.result.items())[:3]),
        "question": result.question,
        "kind": _KINDS[result.kind],
        "confidence": _confidence(result.confidence),
        "verdict": verdict[0],
        "verdict_class": verdict[1],
        "rows": _rows(result),
        "notes": result.notes,
        "gallery": list(groups.values()),
    }  # fmt: skip


def _confidence(value: float | None) -> str:
    if value is None:
        return "–"
    return "> 99.99 %" if value > 0.9999 else f"{value * 100:g} %"


def _rows(result: AttackResult) -> list[tuple[Words, Words]]:
    claim = result.claim
    promised = (
        same("–") if claim.epsilon is None else same(f"ε = {claim.epsilon:g}, δ = {claim.delta or 0:g}")
    )
    rows = [
        (words("threat model", "威胁模型"), same(result.threat_model)),
        (words("method", "方法"), same(result.method or "–")),
        (words("claim", "承诺"), promised),
        (words("kind", "性质"), _KINDS[result.kind]),
        (words("confidence; tests corrected for", "置信度；校正的检验数"), same(f"{_confidence(result.confidence)}; {result.tests}")),
        (words("power", "功效"), same(result.power or "–")),
        (words("seconds", "秒"), same(f"{result.seconds:.1f}")),
    ]  # fmt: skip
    return rows + [(same(name), same(_plain(value))) for name, value in result.result.items()]


def _title(result: AttackResult) -> Words:
    return Words(result.title.get("en", result.attack), result.title.get("zh", result.attack))


def _plain(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.4g}"
    if isinstance(value, tuple):
        return f"[{', '.join(_plain(part) for part in value)}]"
    return "–" if value is None else str(value)


def _value(value: float | None) -> float:
    return math.nan if value is None else value
