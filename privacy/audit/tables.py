"""Tables A to L of the report: what an auditor, a regulator or a registry asks for, from the report's figures.

Letters and order follow the merged list of NIST SP 800-226, ISO/IEC 27559, the deployment registry's third tier and
the ICO's seven steps of an impact assessment. What nobody stated is shown as not stated.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any, Final

from privacy.audit.rows import all_of_hers, is_feedback, rows_named
from privacy.audit.words import Words, same, size_text, words

NOT_STATED: Final = words("not stated", "未说明")
_NO_BOUND: Final = words("no bound", "没有上限")


@dataclasses.dataclass(frozen=True)
class Table:
    """One table: rows of a name and what is said of it."""

    letter: str
    title: Words
    rows: tuple[tuple[Words, Words], ...]
    note: Words | None = None


def tables(report: Mapping[str, Any]) -> list[Table]:
    """Return all tables of a report that are pairs; J (rounds and labels) and I (attacks) are drawn by the page."""
    return [
        _identity(report),
        _deployment(report),
        _domain(report),
        _guarantee(report),
        _adversaries(report),
        _mechanism(report),
        _accounting(report),
        _implementation(report),
        _risks(report),
        _limits(report),
    ]


def _identity(report: Mapping[str, Any]) -> Table:
    seal, record = report["seal"], report["transcript"]
    role = {"coordinator": words("the coordinator of the run", "本次运行的协调者"),
            "auditor": words("an auditor, after the run", "审计者，运行结束之后")}[seal["role"]]  # fmt: skip
    packages = ", ".join(f"{name} {version}" for name, version in report["environment"]["packages"].items())
    return Table("A", words("Identity", "身份"), (
        (words("report", "报告"), same(f"`{seal['id']}`")),
        (words("schema", "格式"), same(report["schema"])),
        (words("run", "运行"), same(report["run"])),
        (words("final model", "最终模型"), same(f"`{report['model']['last']}`")),
        (words("configuration", "配置"), same(f"`{report['config_sha256']}`")),
        (words("transcript", "记录"), words("{n} lines, head `{head}`", "{n} 行，末尾 `{head}`", n=record["lines"], head=record["head"])),
        (words("coordinator's key", "协调者公钥"), same(", ".join(f"`{key}`" for key in record["keys"]))),
        (words("signed by", "签名者"), words("{a}, key `{key}`", "{b}，公钥 `{key}`", a=role.en, b=role.zh, key=seal["key"])),
        (words("previous report", "上一份报告"), same(f"`{seal['previous']}`")),
        (words("source", "源代码版本"), same(f"`{report['environment']['revision']}`")),
        (words("packages", "软件包"), same(packages)),
    ))  # fmt: skip


def _deployment(report: Mapping[str, Any]) -> Table:
    stated = report["deployment"]
    names = {
        "curator": words("data curator (controller)", "数据管理者"),
        "intended_use": words("intended use", "用途"),
        "region": words("region", "地区"),
        "sector": words("sector", "行业"),
        "publication_date": words("date of publication", "发布日期"),
        "data_subjects": words("data subjects", "数据主体"),
        "special_category": words("special category (Article 9)", "特殊类别数据（第 9 条）"),
        "lawful_basis": words("lawful basis", "法律依据"),
        "retention": words("retention", "保存期限"),
        "necessity": words("necessity and proportionality", "必要性与相称性"),
        "consultation": words("consultation", "征询意见"),
    }
    product = (words("kind of product", "产品类型"), words("machine-learning model", "机器学习模型"))
    return Table(
        "B", words("Deployment", "部署"), (product, *_stated(names, stated)),
        words("Stated by the operator in `deployment.toml`; no program can know these.",
              "由运营者在 `deployment.toml` 中说明；程序无法得知这些内容。"),
    )  # fmt: skip


def _stated(names: Mapping[str, Words], stated: Mapping[str, Any]) -> tuple[tuple[Words, Words], ...]:
    return tuple((name, same(stated[key]) if stated[key] else NOT_STATED) for key, name in names.items())


def _domain(report: Mapping[str, Any]) -> Table:
    data, mechanism = report["data"], report["mechanism"] or {}
    kind = (
        words("synthetic faces, of no living person", "合成人脸，不对应任何真人")
        if data["synthetic"]
        else words("photographs", "真实照片")
    )
    if is_feedback(report):
        kind = words("made-up opinions about advice, no photo", "虚构的建议意见，没有照片")
    rows = rows_named(report)
    return Table("C", words("Data", "数据"), (
        (words("what", "内容"), kind),
        (words("source", "来源"), same(data["source"])),
        (words("clients", "客户端"), same(f"{data['clients']:,}")),
        (words("persons in training", "训练人数"), same(f"{data['train_persons']:,}")),
        (words("{a} in training", "训练{a}数", a=rows), same(f"{data['train_photos']:,}")),
        (words("{a} of a person that one step looks at", "每步最多使用每人的{a}数", a=rows), same(mechanism.get("photos_per_person", "–"))),
        (words("held out for evaluation", "留作评估"), words("{n} persons, {m} {a}", "{n} 人，{m} 条{a}", a=rows, n=data["test_persons"], m=data["test_photos"])),
        (words("unprotected quantities", "不受保护的信息"), words(
            "which clients took part in which round; sizes and times of messages; every setting of the run",
            "哪些客户端参加了哪一轮；消息的大小和时间；运行的全部设置")),
    ))  # fmt: skip


def _guarantee(report: Mapping[str, Any]) -> Table:
    privacy, hers = report["privacy"], all_of_hers(report)
    protected = privacy["mode"] != "none"
    profile = ", ".join(f"{_epsilon(value).en} @ {delta:g}" for delta, value in privacy["profile"]) or "–"
    rows = [
        (words("kind", "类型"), words("(ε, δ)-differential privacy", "(ε, δ)-差分隐私")),
        (words("unit of protection", "保护单位"), words("a person, {a}", "一个人{a}", a=hers)),
        (words("neighbouring data sets", "相邻数据集"), words("one person added or removed", "增加或移除一个人")),
        (words("ε spent / promised", "ε 已用 / 承诺"), same(f"{_epsilon(privacy['epsilon_spent']).en} / {_epsilon(privacy['epsilon_promised']).en}")),
        (words("δ", "δ"), same(f"{privacy['delta']:g}")),
        (words("scope", "范围"), words("the whole run: all rounds, retries and abandoned rounds", "整个运行：所有轮次、重试和放弃的轮次")),
        (words("whole profile, ε @ δ", "完整曲线，ε @ δ"), same(profile)),
        (words("Gaussian μ (domination, not an approximation)", "高斯 μ（支配意义下，非近似）"), _epsilon(privacy["mu_gdp"]) if protected else _number(None)),
    ]  # fmt: skip
    rows += [
        (
            words("ε of {n} people who join or leave together", "{n} 人一同加入或离开时的 ε", n=size),
            _epsilon(value),
        )
        for size, value in privacy["households"].items()
    ]
    return Table("D", words("Guarantee", "保证"), tuple(rows))


def _adversaries(report: Mapping[str, Any]) -> Table:
    privacy, mechanism = report["privacy"], report["mechanism"] or {}
    spent = _epsilon(privacy["epsilon_spent"])
    share = f"{report['config']['privacy']['collusion'] * 100:g} %"
    silo = privacy["mode"] == "silo"
    trust = words(
        "holds without trust in anyone else" if silo else "as long as at most {share} of the survivors collude with it: their noise is not counted",
        "不需要信任任何其他方" if silo else "前提是与其合谋的客户端不超过 {share}：它们的噪声不计入",
        share=share,
    )  # fmt: skip
    if privacy["epsilon_spent"] is None:
        trust = words("single updates are hidden; the sum is not protected", "单个更新被隐藏；总和不受保护")

    outside = _epsilon(privacy.get("epsilon_against_recipient"))

    def against(note: Words, cost: Words = spent) -> Words:
        return words("ε = {e}; {a}", "ε = {e}；{a}", e=cost, a=note)

    amplified = words("Poisson sampling of persons inside the device, seen by nobody, rate {q}", "设备内部对人进行泊松抽样，外人看不到，比例 {q}", q=mechanism.get("sampling_rate", "–"))  # fmt: skip
    return Table("E", words("Against whom", "针对谁"), (
        (words("whoever has every released model", "得到全部模型的任何人"), against(words("in league with nobody: the noise of all survivors counts; any other knowledge allowed", "不与任何人合谋：计入全部幸存者的噪声；允许拥有任何其他知识"), outside)),
        (words("other clients", "其他客户端"), against(words("they see the released models", "它们看到发布的模型"))),
        (words("coordinator, honest but curious", "协调者：诚实但好奇"), against(trust)),
        (words("coordinator, malicious", "协调者：恶意"), against(trust)),
        (words("amplification used", "使用的放大效应"), amplified),
        (words("fewest clients in an opened sum", "被打开的总和中最少的客户端数"), same(mechanism.get("min_survivors", "–"))),
        (words("not covered", "不包括"), words("a client that sends invented vectors; who takes part and when; malware on a device", "客户端发送虚构的向量；谁在何时参与；设备上的恶意软件")),
    ))  # fmt: skip


def _mechanism(report: Mapping[str, Any]) -> Table:
    facts = report["mechanism"]
    if facts is None:
        return Table(
            "F", words("Mechanism", "机制"), ((words("rounds", "轮次"), words("none began", "尚未开始")),)
        )
    norm = facts["clipping_norm"]
    norms = f"{norm['first']:g}" if norm["smallest"] == norm["largest"] else f"{norm['first']:g} → {norm['last']:g} ({norm['smallest']:g} … {norm['largest']:g})"  # fmt: skip
    relative = {"person": words("of a person's bound", "相对于每人上限"), "update bound": words("of the upload's bound", "相对于上传上限")}[facts["noise_relative_to"]]  # fmt: skip
    return Table("F", words("Mechanism", "机制"), (
        (words("clipping norm of a person", "每人裁剪范数"), same(norms)),
        (words("adaptive clipping", "自适应裁剪"), _yes(facts["adaptive_clipping"])),
        (words("noise", "噪声"), same(facts["noise"])),
        (words("noise multiplier", "噪声倍数"), words("{n} {a}", "{n}，{b}", n=f"{facts['noise_multiplier']:.6g}", a=relative.en, b=relative.zh)),
        (words("noise counted of", "计入噪声的客户端"), words("{n} honest survivors", "{n} 个诚实的幸存者", n=facts["honest_survivors"])),
        (words("sampling", "抽样"), words("Poisson, rate {q}; {n} steps a round", "泊松，比例 {q}；每轮 {n} 步", q=facts["sampling_rate"], n=facts["steps"])),
        (words("divisor (a public constant)", "除数（公开常数）"), same(f"{facts['divisor']:g}")),
        (words("rounds planned", "计划轮次"), same(facts["plans"])),
        (words("quantisation", "量化"), words("{s} units per 1.0, {b}-bit words", "每 1.0 为 {s} 个单位，{b} 位字", s=facts["scale"], b=facts["field_bits"])),
        (words("cohort, neighbours, threshold", "队列、邻居数、门限"), same(f"{facts['cohort']}, {facts['neighbours']}, {facts['threshold']}")),
        (words("length of an upload", "上传长度"), same(f"{facts['vector_length']:,}")),
    ))  # fmt: skip


def _accounting(report: Mapping[str, Any]) -> Table:
    privacy, ledgers, second = report["privacy"], report["ledgers"], report["privacy"]["second_opinion"]
    other = same("–") if second is None else same(f"{second['accountant']}: ε ≤ {_epsilon(second['epsilon']).en} (± {second['error']:g})")  # fmt: skip
    kept = words("on the devices, not here", "保存在设备上，不在此处") if ledgers is None else words(
        "{n} devices, {c} charges", "{n} 台设备，{c} 次扣费", n=ledgers["devices"], c=ledgers["charges"])  # fmt: skip
    return Table("G", words("Accounting", "核算"), (
        (words("accountant", "核算方法"), same(privacy["accountant"] or "–")),
        (words("grid, rounded up", "网格，向上取整"), same("–" if privacy["grid"] is None else f"{privacy['grid']:g}")),
        (words("second accountant", "第二种核算"), other),
        (words("rounds of the client asked most often", "被请求最多的客户端的轮次"), same(privacy["rounds_of_busiest_client"])),
        (words("clients charged", "被扣费的客户端"), same(privacy["clients_charged"])),
        (words("ledgers", "账本"), kept),
        (words("choice of hyper-parameters", "超参数的选择"), same(report["deployment"]["hyper_parameters"]) if report["deployment"]["hyper_parameters"] else NOT_STATED),
        (words("post-processing", "后处理"), words("optimizer, evaluation on persons of no client", "优化器；在不属于任何客户端的人上评估")),
    ))  # fmt: skip


def _implementation(report: Mapping[str, Any]) -> Table:
    test_only = report["privacy"]["randomness"] == "test-only"
    refusals = sum(len(line["refusals"]) for line in report["rounds"])
    dropped = sum(line["cohort"] - line["survivors"] for line in report["rounds"])
    return Table("H", words("Implementation", "实现"), (
        (words("randomness", "随机数"), words("**repeatable: this run protects nothing**", "**可重复：本次运行不提供任何保护**") if test_only
         else words("AES-256-CTR keyed by the operating system", "由操作系统提供密钥的 AES-256-CTR")),
        (words("floating point", "浮点数"), words("noise is drawn and added as whole numbers (modes distributed, device)", "噪声以整数抽取和相加（distributed、device 模式）")),
        (words("running statistics of layers", "层的运行统计量"), words("refused: no buffer of averages is shared", "拒绝：不共享任何均值缓冲")),
        (words("not-a-number gradients", "非数值梯度"), words("the record counts as zero", "该记录按零计")),
        (words("counts, losses, weights", "计数、损失、权重"), words("inside the masked vector, or not at all", "在掩码向量之中，或根本不发送")),
        (words("drop-outs", "掉线"), same(dropped)),
        (words("abandoned rounds", "放弃的轮次"), same(len(report["aborted"]))),
        (words("refusals by devices", "设备拒绝次数"), same(refusals)),
        (words("sent / received by devices", "设备发送 / 接收"), same(f"{size_text(sum(row['bytes'] for row in report['left_the_devices']))} / {size_text(sum(row['bytes'] for row in report['sent_to_the_devices']))}")),
        (words("constant time", "恒定时间"), words("no: share arithmetic and noise samplers are not", "否：份额运算与噪声采样不是恒定时间")),
    ))  # fmt: skip


def _risks(report: Mapping[str, Any]) -> Table:
    privacy = report["privacy"]
    stated = report["deployment"]
    names = {
        "adviser": words("data protection officer's advice", "数据保护官意见"),
        "sign_off": words("sign-off", "签署"),
        "review_date": words("next review", "下次审查"),
    }
    tpr = privacy["tpr_at_fpr_1_percent"]
    advantage = privacy["advantage"]
    return Table("K", words("Reading the risk", "风险解读"), (
        (words("found at 1 % false alarms, at most", "误报率 1 % 时最多能找到"), _NO_BOUND if tpr is None else same(f"{tpr * 100:.1f} %")),
        (words("advantage over guessing, at most", "最多比猜测好"), _NO_BOUND if advantage is None else same(f"{advantage * 100:.1f} %")),
        (words("right answers to “was she in it?”, at most", "“她参加了吗？”最多答对"), _NO_BOUND if advantage is None else same(f"{(1 + advantage) * 50:.1f} %")),
        (words("residual risks, critical", "剩余风险：严重"), words("invented clients under first use; a coordinator that can send code to a site", "首次使用模式下虚构的客户端；能向站点发送代码的协调者")),
        (words("residual risks, theoretical", "剩余风险：理论"), words("rollback of a whole device together with its anchor", "整台设备连同锚点一起回滚")),
        *_stated(names, stated),
    ))  # fmt: skip


def _limits(report: Mapping[str, Any]) -> Table:
    attacked = words("attacks give lower bounds: one that finds nothing proves nothing", "攻击只给出下界：没有找到什么，并不证明什么")  # fmt: skip
    data = words("figures for synthetic faces say that the machinery works, not how well it would do on photographs", "合成人脸上的数字说明机制有效，而不说明在真实照片上的效果")  # fmt: skip
    rows = [
        (words("what ε is", "ε 是什么"), words("an upper bound of what any attacker can learn about one person's taking part", "任何攻击者能得知某人是否参与的上界")),
        (words("what it is not", "ε 不是什么"), words("a secret of what is true of people in general: a model may learn that, and should", "不是对普遍规律的保密：模型可以也应当学到普遍规律")),
        (words("attacks", "攻击"), attacked),
        (words("losses and times", "损失与时间"), words("stated by the coordinator alone", "仅由协调者声明")),
    ]  # fmt: skip
    if report["data"]["synthetic"] and not is_feedback(report):
        rows.append((words("data", "数据"), data))
    return Table("L", words("Limits", "局限"), tuple(rows))


def _epsilon(value: float | None) -> Words:
    return same("∞") if value is None else same(f"{value:.3f}")


def _number(value: float | None) -> Words:
    return same("–") if value is None else same(f"{value:.3f}")


def _yes(value: bool) -> Words:
    return words("yes", "是") if value else words("no", "否")
