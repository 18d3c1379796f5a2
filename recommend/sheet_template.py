"""The HTML of the printed sheet. It is a Python string because the app's bundle carries no .html files."""

TEMPLATE = """<!doctype html>
<html lang="{{ 'zh-Hans' if language == 'zh' else 'en' }}">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta http-equiv="Content-Security-Policy"
 content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<title>Mien · {{ say('label.sheet_title') }}</title>
<style>
@page { size: A4; margin: 7mm; }
* { box-sizing: border-box; }
body { margin: 0 auto; max-width: 210mm; padding: 4mm; background: {{ paper }}; color: {{ ink }};
  font: 8.1pt/1.32 "Helvetica Neue", Arial, "Noto Sans CJK SC", "Noto Sans SC", "PingFang SC",
  "Microsoft YaHei", sans-serif; }
h1 { font-size: 17pt; font-weight: 300; letter-spacing: .02em; margin: 0; }
h2 { font-size: 9.2pt; margin: 0; line-height: 1.2; }
p { margin: 0; }
header { display: flex; justify-content: space-between; align-items: baseline; border-bottom: .4mm solid {{ ink }};
  padding-bottom: 1.5mm; margin-bottom: 3mm; }
.top { display: grid; grid-template-columns: 92mm 1fr; gap: 5mm; margin-bottom: 3mm; }
.face { width: 100%; height: auto; max-height: 100mm; }
dl { margin: 0 0 2mm; } dt { font-weight: 600; } dd { margin: 0 0 1mm; }
.quiet { color: #6a6058; }
.cards { columns: 3; column-gap: 4mm; }
article { break-inside: avoid; border-top: .5mm solid var(--c); padding: 1mm 0 2.2mm; }
.number { display: inline-block; min-width: 4.6mm; height: 4.6mm; line-height: 4.6mm; text-align: center;
  border-radius: 2.3mm; background: var(--c); color: #fff; font-size: 7.6pt; font-weight: 600; margin-right: 1mm;
  padding: 0 1mm; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.part { float: right; font-size: 7pt; margin-left: 1.5mm; }
ol { margin: .8mm 0; padding-left: 4mm; }
.swatch { display: flex; align-items: center; gap: 1.2mm; margin: .5mm 0; }
.swatch i { width: 6mm; height: 3.4mm; border: .15mm solid #8a8078; print-color-adjust: exact;
  -webkit-print-color-adjust: exact; }
footer { border-top: .2mm solid {{ line }}; margin-top: 2mm; padding-top: 1.5mm; }
@media screen and (max-width: 700px) { .top { grid-template-columns: 1fr; } .cards { columns: 1; }
  body { font-size: 11pt; } h2 { font-size: 12pt; } .part, .number { font-size: 9pt; } }
@media print {
  body { padding: 0; max-width: none; background: #fff; font-size: {{ type_size }}; line-height: 1.22; }
  h1 { font-size: 2.1em; } h2 { font-size: 1.12em; } .cards { columns: 4; column-gap: 3mm; }
  .part { font-size: .88em; }
  .number { font-size: .97em; height: 3.8mm; min-width: 3.8mm; line-height: 3.8mm; }
  .top { grid-template-columns: 68mm 1fr; margin-bottom: 2mm; } .face { max-height: 70mm; }
  header { margin-bottom: 2mm; padding-bottom: 1mm; } article { padding-bottom: 1.4mm; }
  ol { padding-left: 3.4mm; } }
</style>
</head>
<body>
<header><h1>{{ say('label.look') }}</h1><p>{{ total }}</p></header>
<section class="top">
<svg class="face" viewBox="0 0 {{ face.width }} {{ face.height }}" role="img"
 aria-label="{{ say('label.where') }}">
<defs>{% for hatch in face.hatches %}
<pattern id="h-{{ hatch.domain }}" width="{{ hatch.step }}" height="{{ hatch.step }}"
 patternUnits="userSpaceOnUse" patternTransform="rotate({{ hatch.angle }})">
<path d="{{ hatch.path }}" stroke="{{ hatch.colour }}" stroke-width="{{ hatch.width }}" fill="none"/>
</pattern>{% endfor %}
</defs>
<g fill="none" stroke="{{ ink }}" stroke-width="2" stroke-linejoin="round" stroke-linecap="round">
{% for path in face.lines %}
<path d="{{ path }}"/>{% endfor %}</g>
<g fill-rule="evenodd" stroke-width="1.6" stroke-opacity=".85">{% for zone in face.zones %}
<path d="{{ zone.path }}" fill="{{ 'none' if zone.wide else 'url(#h-' ~ zone.domain ~ ')' }}"
 stroke="{{ zone.colour }}"/>{% endfor %}</g>
{% for label in face.labels %}<g>
<path d="M{{ label.x }} {{ label.y }} L{{ label.tx }} {{ label.ty }}" stroke="{{ label.colour }}"
 stroke-width="1.2"/>
<circle cx="{{ label.tx }}" cy="{{ label.ty }}" r="3.4" fill="{{ label.colour }}"/>{% for n in label.numbers %}
<circle cx="{{ n.x }}" cy="{{ label.y }}" r="13" fill="{{ n.colour }}"/>
<text x="{{ n.x }}" y="{{ label.y }}" dy=".36em" text-anchor="middle" font-size="15" font-weight="600"
 fill="#fff">{{ n.number }}</text>{% endfor %}
</g>{% endfor %}
</svg>
<div>
<dl>{% for label, text in summary %}<dt>{{ label }}</dt><dd>{{ text }}</dd>{% endfor %}</dl>
{% for text, advice in notices %}<p>! {{ text }} <span class="quiet">{{ advice }}</span></p>{% endfor %}
<dl><dt>{{ say('label.shopping') }}</dt><dd>{{ shopping }}</dd></dl>
<p class="quiet">{{ reference }}</p>
</div>
</section>
<main class="cards">{% for card in cards %}
<article style="--c: {{ colours[card.domain] }}">
<span class="part quiet">{{ card.domain_name }} · {{ '%g' % card.minutes }} {{ say('label.minutes') }}</span>
<h2><span class="number">{{ card.number }}</span>{{ card.title }}{% if card.starred %} ★{% endif %}</h2>
{% if card.places %}<p class="quiet">{{ places(card) | join(" · ") }}</p>{% endif %}
<ol>{% for step in card.steps %}<li>{{ step }}</li>{% endfor %}</ol>
{% for tint in card.colours %}<p class="swatch"><i style="background: {{ tint.swatch.hex }}"></i>
<i style="background: {{ tint.swatch.on_hex }}"></i>{{ tint.name }} {{ tint.swatch.hex }}</p>{% endfor %}
<p>{{ card.reason }}</p>{% for why in card.why if why.origin == 'photo' %}
<p class="quiet">{{ why.sentence }}</p>{% endfor %}
<p class="quiet">{{ card.confidence_word }} · {{ card.evidence_word }}</p>
</article>{% endfor %}
</main>
<footer class="quiet"><p>★ {{ say('label.start') }} · {{ say('label.colour_note') }}
{{ say('label.private') }}</p></footer>
</body>
</html>
"""
