"""Where each requirement of four frameworks is answered in the report. A map, not a certificate."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Literal

from privacy.audit.rows import rows_named
from privacy.audit.words import Words, words

Answer = Literal["answered", "stated", "open", "not applicable"]


@dataclasses.dataclass(frozen=True)
class Requirement:
    """One requirement, where it is answered, and whether this report answers it."""

    name: str
    asks: Words
    where: Words
    answer: Answer


@dataclasses.dataclass(frozen=True)
class Standard:
    """One framework and its requirements, in its own order."""

    name: Words
    requirements: tuple[Requirement, ...]


def standards(report: Mapping[str, Any]) -> list[Standard]:
    """Return the four maps for one report: what is open depends on what was measured and stated."""
    kinds = {result["kind"] for result in report["evidence"]}
    private: Answer = "answered" if report["privacy"]["epsilon_spent"] is not None else "open"
    bounded: Answer = "answered" if "lower bound" in kinds else "open"
    attacked: Answer = "answered" if kinds else "open"

    def stated(*fields: str) -> Answer:
        return "stated" if all(report["deployment"][field] for field in fields) else "open"

    return [
        _aisvs(report, private, bounded, attacked, stated),
        _nist(private, attacked, stated),
        _iso(private, attacked, stated),
        _dpia(report, private, stated),
    ]


def _aisvs(
    report: Mapping[str, Any], private: Answer, bounded: Answer, attacked: Answer, stated: Any
) -> Standard:
    return Standard(words("OWASP AISVS 1.0, chapter C12 (privacy)", "OWASP AISVS 1.0，第 C12 章（隐私）"), (
        Requirement("12.1.4", words("re-identification risk of trained models below a threshold", "训练后模型的再识别风险低于门限"), words("label, D, I", "标签、D、I"), attacked),
        Requirement("12.2", words("deletion and unlearning", "删除与遗忘"), words("{a} never leave; a model is not unlearned: ε bounds what it holds of a person", "{a}从不离开；模型不做遗忘：ε 限制了它所保留的个人信息", a=rows_named(report)), "open"),
        Requirement("12.3.1", words("ε and δ tracked per round, with a limit", "每轮跟踪 ε 和 δ，并有上限"), words("D, G, rounds; each device refuses beyond its budget", "D、G、轮次；超出预算时设备拒绝"), private),
        Requirement("12.3.2", words("empirical lower bound of ε with stated confidence", "给出置信度的 ε 经验下界"), words("evidence, I", "证据、I"), bounded),
        Requirement("12.3.3", words("proofs cover all uses of the same data", "证明涵盖同一数据的所有用途"), words("one ledger a device over all runs; G", "每台设备一个账本，涵盖所有运行；G"), private),
        Requirement("12.4.1", words("machine-readable purpose of data and model", "数据与模型的机器可读用途"), words("purpose in each plan and charge; B", "每个计划和扣费中的用途；B"), stated("intended_use")),
        Requirement("12.5", words("consent and lawful basis", "同意与法律依据"), words("B", "B"), stated("lawful_basis")),
        Requirement("12.6.1", words("noise before aggregation", "聚合之前加噪声"), words("F", "F"), private),
        Requirement("12.6.2", words("no single client's loss or gradient in clear", "不泄露单个客户端的损失或梯度"), words("what left the devices; H", "离开设备的内容；H"), "answered"),
        Requirement("12.6.3", words("canary-based auditing", "基于金丝雀的审计"), words("evidence, I", "证据、I"), attacked),
        Requirement("12.6.4", words("overall ε and the loss of utility", "总 ε 与效用损失"), words("D, J", "D、J"), private),
    ))  # fmt: skip


def _nist(private: Answer, attacked: Answer, stated: Any) -> Standard:
    return Standard(words("NIST SP 800-226 (the pyramid, from its top)", "NIST SP 800-226（金字塔，自上而下）"), (
        Requirement("ε", words("privacy parameter and what it means", "隐私参数及其含义"), words("label, D, K", "标签、D、K"), private),
        Requirement("unit", words("unit of privacy", "隐私单位"), words("label, D", "标签、D"), private),
        Requirement("threat model", words("who is trusted with what", "信任谁、信任什么"), words("E", "E"), "answered"),
        Requirement("utility", words("utility and bias", "效用与偏差"), words("J; by subgroup only where measured", "J；仅在有测量时按子组给出"), "answered"),
        Requirement("mechanism", words("algorithms and their correctness", "算法及其正确性"), words("F, G, I", "F、G、I"), attacked),
        Requirement("side channels", words("floating point, timing, side channels", "浮点、时间、旁路"), words("H", "H"), "answered"),
        Requirement("access", words("security and access control", "安全与访问控制"), words("E, H; what left the devices", "E、H；离开设备的内容"), "answered"),
        Requirement("collection", words("data collection and exposure", "数据收集与暴露"), words("B, C", "B、C"), stated("data_subjects")),
    ))  # fmt: skip


def _iso(private: Answer, attacked: Answer, stated: Any) -> Standard:
    return Standard(words("ISO/IEC 27559:2022", "ISO/IEC 27559:2022"), (
        Requirement("6", words("context assessment: threats, recipients", "环境评估：威胁、接收方"), words("B, E", "B、E"), stated("intended_use", "region")),
        Requirement("7", words("data assessment", "数据评估"), words("C", "C"), "answered"),
        Requirement("8", words("identifiability assessment and mitigation", "可识别性评估与缓解"), words("D, F, K", "D、F、K"), private),
        Requirement("8.2.3", words("adversarial testing", "对抗性测试"), words("evidence, I", "证据、I"), attacked),
        Requirement("9", words("governance: records, review", "治理：记录、审查"), words("A, G, K", "A、G、K"), stated("sign_off", "review_date")),
    ))  # fmt: skip


def _dpia(report: Mapping[str, Any], private: Answer, stated: Any) -> Standard:
    return Standard(words("GDPR, Article 35: outline of an impact assessment", "GDPR 第 35 条：影响评估提纲"), (
        Requirement("1", words("need for an assessment: biometric data, new technology", "评估的必要性：生物特征数据、新技术"), words("B", "B"), stated("special_category")),
        Requirement("2", words("describe the processing", "描述处理过程"), words("how the data walks; B, C", "数据的流向；B、C"), "answered"),
        Requirement("3", words("consultation", "征询意见"), words("B", "B"), stated("consultation")),
        Requirement("4", words("necessity and proportionality", "必要性与相称性"), words("B; {a} stay on the devices", "B；{a}留在设备上", a=rows_named(report)), stated("necessity", "lawful_basis")),
        Requirement("5", words("risks to persons", "对个人的风险"), words("E, K, evidence", "E、K、证据"), "answered"),
        Requirement("6", words("measures", "措施"), words("D, F, H", "D、F、H"), private),
        Requirement("7", words("sign-off and outcomes", "签署与结果"), words("K", "K"), stated("adviser", "sign_off")),
    ))  # fmt: skip
