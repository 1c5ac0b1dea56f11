"""The style sheet of the HTML report, light and dark."""

_RULES = """
:root{color-scheme:light dark;--line:#8883;--soft:#8881;--mark:#3b82f6;--warn:#b45309}
@media(prefers-color-scheme:dark){:root{--warn:#fbbf24}}
*{box-sizing:border-box}
body{margin:0;font:15px/1.5 system-ui,sans-serif}
header,main{max-width:1200px;margin:0 auto;padding:1rem 1.25rem}
header{position:sticky;top:0;z-index:2;background:Canvas}
@media(max-width:700px){header{position:static}}
header{display:flex;flex-wrap:wrap;gap:.25rem 2rem;align-items:baseline;border-bottom:1px solid var(--line)}
h1{font-size:1.3rem;margin:0}h2{font-size:1.15rem;margin:2rem 0 .6rem}h3{font-size:1rem;margin:1.2rem 0 .4rem}
section{scroll-margin-top:5rem}#list-pictures{scroll-margin-top:6rem}
nav{display:flex;flex-wrap:wrap;gap:0 1rem}
nav a{white-space:nowrap;color:var(--mark);text-decoration:none}
.tiles{display:flex;flex-wrap:wrap;gap:.75rem;margin-bottom:1rem}
.tiles div{background:var(--soft);border-radius:8px;padding:.6rem 1rem;min-width:7rem}
.tiles b{display:block;font-size:1.4rem}.tiles span{opacity:.7}
.wide{overflow-x:auto}
table{border-collapse:collapse;width:100%}
th{text-align:left;font-weight:600;opacity:.7}
th,td{padding:.25rem .6rem;border-bottom:1px solid var(--line);vertical-align:middle;
overflow-wrap:anywhere;min-width:6rem}
:is(th,td):nth-child(-n+2):not(.n){min-width:7.5rem}
th{overflow-wrap:break-word}
.n{text-align:right;font-variant-numeric:tabular-nums;min-width:0}td.n{white-space:nowrap}
td img{max-height:72px;max-width:112px;object-fit:contain;object-position:left;display:block}
.listing td:first-child{width:128px}.listing td:last-child{min-width:13rem}
@media(max-width:700px){th,td{padding:.25rem .3rem;min-width:4.6rem}.n{min-width:0}.listing td img{max-width:72px}
.listing th:nth-child(n){min-width:0}.listing td:nth-child(-n+2){width:auto;min-width:5rem}
.listing td:first-child{min-width:0}.listing td:last-child{min-width:9rem}}
.sheet td img{max-height:180px;max-width:none}
.bar{position:relative;min-width:8rem;background:var(--soft);border-radius:4px;overflow:hidden}
@media(max-width:700px){.bar{min-width:4rem}}
.bar i{position:absolute;inset:0 auto 0 0;background:var(--mark);opacity:.35}
.bar span{position:relative;padding:0 .4rem;font-variant-numeric:tabular-nums}
.notes{padding:0;list-style:none}.notes li{margin:.25rem 0;overflow-wrap:anywhere}
em{font-style:normal;font-size:.75rem;padding:.05rem .45rem;border-radius:99px;background:var(--soft);color:var(--warn)}
em.warn{background:color-mix(in srgb,var(--warn) 18%,transparent)}
em:not(.warn){color:inherit}
.badges{display:flex;flex-wrap:wrap;gap:.25rem;margin:.35rem 0 0}
.hint{opacity:.7;overflow-wrap:anywhere}
.trap{border-left:3px solid var(--warn);padding:.05rem .8rem;margin:.6rem 0}
.trap p{margin:.3rem 0}.trap a{color:var(--mark)}
code{background:var(--soft);border-radius:4px;padding:.1rem .35rem;overflow-wrap:anywhere}
.tags{columns:3 18rem;padding:0;list-style:none;margin:0}
.tags li{display:grid;grid-template-columns:1fr 8rem;gap:.5rem;break-inside:avoid;margin:.1rem 0}
.notes a{color:var(--mark)}
.tags a{color:inherit;text-decoration-color:var(--line)}
.tags li>a{overflow:hidden;text-overflow:ellipsis;white-space:nowrap}
.lead{font-size:1.05rem;margin:.4rem 0}
details{margin:.6rem 0}
.shapes{display:flex;flex-wrap:wrap;gap:1rem 1.5rem;align-items:start}
.shapes>div{display:grid;gap:.1rem;justify-items:center;text-align:center}
.shapes>div>div{display:grid;align-items:end;margin-bottom:.3rem}
.shapes small{opacity:.7}.shapes .warning{color:var(--warn);opacity:1}
.kept{fill:var(--mark);fill-opacity:.3;stroke:var(--mark);stroke-width:1.5}
.cut{fill:var(--soft);stroke:currentColor;stroke-opacity:.5;stroke-dasharray:3 3}
.square table{width:auto}.square th,.square td{min-width:0;padding:.15rem .35rem;text-align:right;white-space:nowrap}
.square thead th{vertical-align:bottom}.square thead span{writing-mode:vertical-rl;transform:rotate(180deg)}
.square td{font-variant-numeric:tabular-nums;min-width:2rem;border:1px solid var(--line)}
.square .own{background:var(--soft);opacity:.6}
.columns{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(320px,100%),1fr));gap:0 2rem}
.changed{font-size:.85rem}
.inline{display:flex;flex-wrap:wrap;gap:.2rem 1.2rem;padding:0;list-style:none;margin:.4rem 0}.inline a{color:inherit}
del{color:var(--warn)}
ins{border-radius:3px;padding:0 .15rem;text-decoration:none;background:color-mix(in srgb,var(--mark) 22%,transparent)}
#filters{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:.5rem 0 1rem}
#filters[hidden],.pager[hidden]{display:none}
select,input,button{font:inherit;color:inherit;background:var(--soft);border:1px solid var(--line);border-radius:6px;
padding:.25rem .5rem;max-width:100%}
option{color:CanvasText;background:Canvas}
#filters input{flex:1 1 11rem;min-width:0}#filters select{flex:0 1 auto;max-width:16rem}
.pager{display:flex;flex-wrap:wrap;gap:.5rem;align-items:center;margin:1rem 0}
.pager button:disabled{opacity:.4}.pager button:enabled{cursor:pointer}
.sliders{display:grid;align-items:start;grid-template-columns:repeat(auto-fit,minmax(min(420px,100%),1fr));gap:1rem}
.compare{--edge:50%;position:relative;display:grid;background:var(--soft)}
.compare img{grid-area:1/1;width:100%;height:auto;max-height:480px;object-fit:contain}
.compare img+img{clip-path:inset(0 calc(100% - var(--edge)) 0 0)}
.compare::after{content:"";position:absolute;inset:0 auto 0 var(--edge);width:2px;margin-left:-1px;background:#fff;
box-shadow:0 0 3px #000;pointer-events:none}
.compare input{grid-area:1/1;z-index:1;width:100%;height:100%;margin:0;opacity:0;cursor:ew-resize}
.compare:has(input:focus-visible){outline:2px solid var(--mark)}
.cards{display:grid;grid-template-columns:repeat(auto-fill,minmax(220px,1fr));gap:1rem}
figure{margin:0;border:1px solid var(--line);border-radius:8px;overflow:hidden}
figure>img,figure>.blank{width:100%;height:200px;object-fit:contain;background:var(--soft);display:block}
.blank{display:grid!important;place-items:center;opacity:.6;min-width:72px;min-height:48px}
figcaption{padding:.5rem .7rem;overflow-wrap:anywhere}
figcaption small{opacity:.65;margin-left:.5rem}figcaption p{margin:.3rem 0}
summary{cursor:pointer}figcaption details{font-size:.85rem;opacity:.85;margin:.3rem 0}figcaption i{opacity:.65}
.pairs{display:grid;grid-template-columns:repeat(auto-fill,minmax(min(360px,100%),1fr));gap:1rem}
.pairs>div{display:grid;grid-template-columns:1fr 1fr;gap:.3rem}
.pairs small{display:block;margin:0}
.drawn{display:grid;gap:1rem;margin-top:1rem}.drawn img{height:auto!important;max-height:420px}
.samples{display:flex;flex-wrap:wrap;gap:.5rem}
.samples figure{width:180px}.samples figure>img{height:180px}
.curve{width:100%;max-width:600px;background:var(--soft);border-radius:8px}
.curve text{font-size:11px;fill:currentColor;opacity:.7}.curve line{stroke:var(--line)}
.curve polyline{fill:none;stroke-width:1.5}
.s0{stroke:var(--mark);fill:var(--mark)}.s1{stroke:var(--warn);fill:var(--warn)}.s2{stroke:#10b981;fill:#10b981}
.s3{stroke:#a855f7;fill:#a855f7}.s4{stroke:#ef4444;fill:#ef4444}.s5{stroke:#64748b;fill:#64748b}
.legend{display:flex;flex-wrap:wrap;gap:.2rem 1.5rem;margin:.3rem 0 1rem;font-size:.85rem}
.legend i{display:inline-block;width:1rem;height:.2rem;margin:0 .4rem .2rem 0;border-radius:1px}
.legend .s0{background:var(--mark)}.legend .s1{background:var(--warn)}.legend .s2{background:#10b981}
.legend .s3{background:#a855f7}.legend .s4{background:#ef4444}.legend .s5{background:#64748b}
.plots{display:grid;grid-template-columns:repeat(auto-fit,minmax(min(340px,100%),1fr));gap:1rem;margin-top:1rem}
.plot{width:100%;height:auto;padding:0 .7rem .5rem}
.best{border-left:4px solid var(--mark);padding:.1rem 1rem;background:var(--soft);border-radius:4px}
.scores{overflow-x:auto}.scores th,.scores td{min-width:0;padding:.25rem .5rem}
.scores :is(th,td):nth-child(-n+2){min-width:6rem;overflow-wrap:break-word;word-break:normal}
.scores td:nth-child(n+3){white-space:nowrap}
.scores small{opacity:.6;white-space:nowrap}
"""

# nine shades of a table of counts
_SHADES = "".join(f".h{n}{{background:color-mix(in srgb,var(--mark) {6 * n}%,transparent)}}\n" for n in range(1, 10))

STYLE = _RULES + _SHADES
