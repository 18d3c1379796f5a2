"""The report's page as a Jinja template; :mod:`privacy.audit.page` fills it. ``t`` is :func:`privacy.audit.words.words`."""

from __future__ import annotations

from typing import Final

TEMPLATE: Final = """<!doctype html>
<html lang="{{ language }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src '{{ style_hash }}'; base-uri 'none'; form-action 'none'">
<title>Mien: {{ report.run }}</title>
<style>{{ style|safe }}</style>
</head>
<body><main>
<header>
<div><h1>{{ t("Privacy report", "隐私报告") }} · {{ report.config.name }}</h1>
<p class="quiet">{{ report.run }} · {{ state }} ·
{{ t("{n} rounds opened", "已打开 {n} 轮", n=report.opened) }}</p></div>
<div class="switch">
<input type="radio" name="language" id="en"{{ " checked" if language == "en" }}><label for="en" lang="en">English</label>
<input type="radio" name="language" id="zh"{{ " checked" if language == "zh" }}><label for="zh" lang="zh">中文</label>
</div>
</header>

{% if privacy.randomness == "test-only" %}
<p class="warning">{{ t("**This run protects nothing.** Its masks and noise came from a repeatable source (`randomness = test-only`), so that it can be compared to the bit. Never use it with real people.", "**本次运行不提供任何保护。**它的掩码和噪声来自可重复的随机源（`randomness = test-only`），以便逐位比较。切勿用于真实的人。") }}</p>
{% endif %}
{% if privacy.mode == "none" %}
<p class="warning">{{ t("**No differential privacy.** Single updates were hidden, but the trained model may tell whether one person took part.", "**没有差分隐私。**单个更新被隐藏，但训练出的模型可能泄露某人是否参加。") }}</p>
{% endif %}
{% for result in refuted %}
<p class="warning">{{ t("**An attack did better than the promise allows:** {name}.", "**有一种攻击超出了承诺允许的范围：**{name}。", name=result.name) }} {{ result.headline }}</p>
{% endfor %}
{% if report.data.synthetic %}
<p class="quiet">{{ label.synthetic }}</p>
{% endif %}

<section class="label">
<h2>{{ t("Privacy label", "隐私标签") }}</h2>
<div class="facts">
<div><span class="unit">{{ t("What is protected", "保护什么") }}</span><b>{{ t("a person", "一个人") }}</b>
<p>{{ t("{a}, over the whole run", "{a}，贯穿整个运行", a=label.hers) }}</p></div>
<div><span class="unit">{{ t("How well", "保护多强") }}</span><b>ε = {{ label.epsilon }}</b>
<p>{% if label.promised %}{{ t("spent, at δ = {d}; promised at most {p}", "已用，δ = {d}；承诺至多 {p}", d=label.delta, p=label.promised) }}{% else %}{{ t("no bound on what the model tells about one person", "模型可能泄露的个人信息没有上限") }}{% endif %}</p></div>
<div><span class="unit">{{ t("Against whom", "针对谁") }}</span><b>{{ label.against }}</b><p>{{ label.assumption }}</p></div>
<div><span class="unit">{{ t("What left the devices", "离开设备的内容") }}</span><b>{{ t("0 {a}", "0 {a}", a=label.rows) }}</b>
<p>{{ t("{a}; {n} of masked data in all", "{a}；共 {n} 掩码数据", a=label.besides, n=label.up) }}</p></div>
</div>
{% if label.found is not none %}
<div class="meaning"><div>
<p>{{ t("**What this means.** Someone who sees every model, knows everything else about everyone, and accepts one false alarm in a hundred, could recognise **at most {n} in 100** of those who took part (1 in 100 by guessing).", "**这意味着什么。**一个看到所有模型、知道每个人其他一切信息、并且接受百分之一误报的人，**至多能认出 100 名参与者中的 {n} 名**（瞎猜为 1 名）。", n=label.found) }}</p>
<p class="quiet">{{ t("Asked “was she in it?” about a person who is as likely in as out, they would be right at most {n} % of the time instead of 50 %.", "若某人参加与否各占一半，问“她参加了吗？”，他至多答对 {n} %，而不是 50 %。", n=label.answers) }}</p>
</div>{{ label.dots|safe }}</div>
{% endif %}
</section>

<h2>{{ t("How the data walks", "数据的流向") }}</h2>
<div class="flow">
<section><h3>{{ t("On each device", "在每台设备上") }}</h3><ul>
<li>{{ label.stays }}</li>
<li>{{ t("the ledger is charged first, or the device refuses", "先在账本扣费，否则设备拒绝") }}</li>
<li>{{ mode_text }}</li>
<li>{{ t("masked: the vector looks like noise", "加掩码：向量看起来就是噪声") }}</li></ul></section>
<div class="arrow">{{ label.up }}<br>{{ t("masked", "已加掩码") }}</div>
<section><h3>{{ t("Coordinator", "协调者") }}</h3><ul>
<li>{{ t("adds the vectors, keeps none", "把向量相加，一个也不保留") }}</li>
<li>{{ t("opens only sums of {n} clients or more", "只打开不少于 {n} 个客户端的总和", n=report.mechanism.min_survivors if report.mechanism else "–") }}</li>
<li>{{ t("steps the model, writes the signed record", "更新模型，写下签名的记录") }}</li></ul></section>
<div class="arrow">{{ t("the model", "模型") }}</div>
<section><h3>{{ t("Everyone else", "其他所有人") }}</h3><ul>
<li>{{ t("sees the released models", "看到发布的模型") }}</li>
<li>{% if label.found is not none %}{{ t("learns of one person at most what the label says", "对任何一个人，至多得知标签所写的内容") }}{% else %}{{ t("no bound is promised", "没有承诺上限") }}{% endif %}</li></ul></section>
</div>
<div class="scroll"><table>
<tr><th>{{ t("message", "消息") }}</th><th>{{ t("part", "部分") }}</th><th>{{ t("type", "类型") }}</th><th class="number">{{ t("how many", "数量") }}</th><th class="number">{{ t("each", "每条") }}</th><th class="number">{{ t("in all", "合计") }}</th><th class="number">{{ t("allowed", "上限") }}</th></tr>
{% for row in traffic %}
<tr><td>{{ row.message }}</td><td>{{ row.part }}</td><td>{{ row.type }}</td><td class="number">{{ row.count }}</td><td class="number">{{ row.each }}</td><td class="number">{{ row.all }}</td><td class="number">{{ row.limit }}</td></tr>
{% endfor %}
</table></div>
<p class="quiet">{{ t("Anything else is stopped on the device by an allow-list. The devices received {n}: plans, models, and other clients' encrypted shares.", "其余一切都被设备上的白名单拦下。设备共接收 {n}：计划、模型以及其他客户端的加密份额。", n=label.down) }}</p>

<section class="evidence">
<h2>{{ t("Evidence", "证据") }}</h2>
{% if not tests %}
<div class="empty"><p>{{ t("**Not attacked yet.** What stands above is what was promised and computed. To see what attacks achieve, run", "**尚未进行攻击测试。**以上是承诺与计算的结果。要了解攻击能做到什么，请运行") }}</p>
<pre>mien audit attack {{ report.run }}
mien audit report {{ report.run }}</pre></div>
{% else %}
<p>{{ t("Attacks on this run and tests of this build. A lower bound that stays under the promise does not prove it; one above it refutes it.", "对本次运行的攻击和对本程序的测试。低于承诺的下界不能证明承诺；高于承诺的下界则推翻它。") }}</p>
<div class="scroll"><table>
<tr><th>{{ t("test", "测试") }}</th><th>{{ t("outcome", "结果") }}</th><th>{{ t("kind", "性质") }}</th><th class="number">{{ t("confidence", "置信度") }}</th><th></th></tr>
{% for test in tests %}
<tr><td>{{ test.name }}</td><td>{{ test.headline }}</td><td>{{ test.kind }}</td><td class="number">{{ test.confidence }}</td><td><span class="verdict {{ test.verdict_class }}">{{ test.verdict }}</span></td></tr>
{% endfor %}
</table></div>
{% if roc %}<div class="charts">{{ roc|safe }}</div>{% endif %}
{% for test in tests if test.gallery %}
<h3>{{ test.name }}</h3>
{% for row in test.gallery %}
<div class="gallery">
{% for tile in row %}<figure><img src="data:image/png;base64,{{ tile.png_base64 }}" alt="{{ tile.label }}"><figcaption>{{ tile.label }}{% if tile.score is not none %}<br>{{ "%.1f"|format(tile.score) }} {{ tile.unit }}{% endif %}</figcaption></figure>{% endfor %}
</div>
{% endfor %}
{% endfor %}
{% endif %}
</section>

<h2>{{ t("What was promised, and what was spent", "承诺了什么，用掉了什么") }}</h2>
<div class="charts">{{ charts.epsilon|safe }}{{ charts.budget|safe }}{{ charts.survivors|safe }}{{ charts.bytes|safe }}</div>
{% if report.aborted %}
<p>{{ t("Rounds in which nothing was opened:", "没有打开任何内容的轮次：") }}</p>
<table><tr><th>{{ t("round", "轮次") }}</th><th>{{ t("why", "原因") }}</th></tr>
{% for line in report.aborted %}<tr><td>{{ line.round }}</td><td>{{ line.reason }}</td></tr>{% endfor %}
</table>
{% endif %}

<h2>{{ t("What was trained", "训练了什么") }}</h2>
<p>{{ t("The model `{m}` ({p} parameters) learned {a} attributes from {n} {rows} of {k} persons, spread over {c} clients, and was evaluated on persons that no client has.", "模型 `{m}`（{p} 个参数）从 {k} 个人的 {n} 条{rows}中学习了 {a} 个属性，数据分布在 {c} 个客户端；评估所用的人不属于任何客户端。", **trained) }}</p>
{% if label.faces %}<p class="quiet">{{ t("These attributes measure the learning machinery. They are labels that people gave to pictures, not facts about anyone, and advice is never drawn from them.", "这些属性用来衡量学习机制。它们是人给图片贴的标签，并不是关于任何人的事实，建议从不以此为依据。") }}</p>{% endif %}
{% if report.best %}
<table class="pairs">
<tr><th>{{ t("attribute", "属性") }}</th><th>{{ t("AUC after round {n}", "第 {n} 轮后的 AUC", n=report.best.round) }}</th></tr>
{% for name, value in report.best.auc.items() %}
<tr><td>{{ name }}</td><td>{{ "–" if value is none else "%.3f"|format(value) }}</td></tr>
{% endfor %}
</table>
{% endif %}
<div class="charts">{{ charts.auc|safe }}{{ charts.loss|safe }}</div>

<h2>{{ t("Annex: tables for auditors", "附录：供审计使用的表格") }}</h2>
{% for table in tables %}
{% if table.letter == "K" %}
<h3>I. {{ t("Empirical tests", "实证测试") }}</h3>
{% for test in tests %}
<div class="test"><h3>{{ test.name }} <span class="verdict {{ test.verdict_class }}">{{ test.verdict }}</span></h3>
<p>{{ test.question }}</p>
<table class="pairs">{% for name, value in test.rows %}<tr><td>{{ name }}</td><td>{{ value }}</td></tr>{% endfor %}</table>
{% for note in test.notes %}<p class="quiet">{{ note }}</p>{% endfor %}</div>
{% else %}<p class="quiet">{{ t("none yet", "暂无") }}</p>
{% endfor %}
<h3>J. {{ t("Utility", "效用") }}</h3>
<p class="quiet">{{ t("AUC and loss above. By subgroup, and without privacy: not measured in this run.", "AUC 与损失见上。按子组以及无隐私时的结果：本次运行未测量。") }}</p>
{% endif %}
<h3>{{ table.letter }}. {{ table.title }}</h3>
<table class="pairs">{% for name, value in table.rows %}<tr><td>{{ name }}</td><td class="hash">{{ value }}</td></tr>{% endfor %}</table>
{% if table.note %}<p class="quiet">{{ table.note }}</p>{% endif %}
{% endfor %}

<h2>{{ t("Where each framework is answered", "各框架要求在何处得到回答") }}</h2>
<p class="quiet">{{ t("A map, not a certificate. “Open” is what this report does not answer.", "这是对照表，不是证书。“未答”表示本报告没有回答。") }}</p>
{% for standard in standards %}
<h3>{{ standard.name }}</h3>
<div class="scroll"><table>
{% for row in standard.requirements %}<tr><td>{{ row.name }}</td><td>{{ row.asks }}</td><td>{{ row.where }}</td><td><span class="verdict {{ answers[row.answer][1] }}">{{ answers[row.answer][0] }}</span></td></tr>{% endfor %}
</table></div>
{% endfor %}

<h2>{{ t("Check it", "自行核查") }}</h2>
<p>{{ t("Everything here can be recomputed from the run folder, by code that shares nothing with what wrote it:", "这里的一切都可以由运行目录重新计算，所用代码与写入代码互不相干：") }}</p>
<pre>mien audit verify {{ report.run }}
mien simulate {{ report.run }}/config.toml</pre>
</main></body></html>
"""
