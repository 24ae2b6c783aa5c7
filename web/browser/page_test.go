// SPDX-License-Identifier: Apache-2.0

// Package browser_test shows the page in a real browser, headless Chromium, and uses it as people do. `make
// test-page` runs it; with PICTURES=DIR it keeps what it saw.
package browser_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/drawbridge-l2/drawbridge/api"
)

var (
	operator = api.Peer{}                    // root
	reader   = api.Peer{UID: 1000, GID: 701} // of group drawbridge-read
)

// live is that rates are shown.
const live = `document.querySelector("#live").dataset.state === "live" && document.querySelector("#sum-cloud").textContent !== "0 b/s"`

func TestReadingForm(t *testing.T) {
	g := newGateway(8)
	origin := serveTCP(t, g)
	c := startChromium(t)
	p := c.open(origin+"/", desktop, "light")
	p.wait(live)
	if got := p.text("h1"); got != "gw-a" {
		t.Errorf("the heading is %q", got)
	}
	rows := strings.Split(p.text("#list"), "eth2:")
	if len(rows) != 9 || !strings.HasPrefix(rows[0], "globex") {
		t.Errorf("rows: %q; what hurts most comes first", rows)
	}
	for _, part := range []string{"half-raised", "loop: our own probe came back", "storm-broadcast", "VNI 10107", "b/s", "10 | 14"} {
		if !strings.Contains(p.text("#list"), part) {
			t.Errorf("the list lacks %q: %s", part, p.text("#list"))
		}
	}
	p.wait(`new Set([...document.querySelectorAll(".rate.cloud .line")].map((l) => l.getAttribute("d"))).size > 3`)
	p.shoot("list-light")

	p.click(`a[href="#ext/acme"]`)
	p.wait(`document.querySelector("#panel tbody tr")`)
	for _, part := range []string{"storm-broadcast", "to cloud", "192.0.2.20", "3 of 1,024", "order 4711"} {
		if !strings.Contains(p.text("#panel"), part) {
			t.Errorf("the panel lacks %q: %s", part, p.text("#panel"))
		}
	}
	p.wait(`document.querySelector("#panel td.number").textContent.includes("/s")`)
	p.shoot("panel-light")
	var offered int
	p.eval(`[...document.querySelectorAll("#panel button, #events-link")].filter((b) => b.checkVisibility()).length`, &offered)
	if offered != 0 || !strings.Contains(p.text("#reading"), "ssh -L") {
		t.Errorf("%d buttons in the reading form; its footer: %q", offered, p.text("#reading"))
	}
	p.press("Escape")
	p.wait(`document.querySelector("#panel").hidden`)
	if len(g.changed()) > 0 {
		t.Errorf("changed: %q", g.changed())
	}
	c.wantQuiet(origin)
}

func TestRaiseAndLower(t *testing.T) {
	g := newGateway(8)
	origin := serveSocket(t, g, operator)
	c := startChromium(t)
	p := c.open(origin+"/#ext/acme", desktop, "dark")
	p.wait(live)
	p.click(`#panel .buttons button:first-child`)
	p.wait(`document.querySelector("#question").open`)
	p.write("ticket 12")
	p.shoot("question-dark")
	p.click("#question-yes")
	p.wait(`document.querySelector("#panel .pill").textContent === "raised"`)
	p.wait(`document.querySelector("#panel .events")?.textContent.includes("raise acme: ticket 12")`)
	p.click(`#panel .buttons button:last-child`)
	p.click("#question-no")
	p.click(`#panel .buttons button:last-child`)
	p.click("#question-yes")
	p.wait(`document.querySelector("#panel .pill").textContent === "lowered"`)
	if want := []string{"raise acme: ticket 12", "lower acme"}; !slices.Equal(g.changed(), want) {
		t.Errorf("changed %q, want %q", g.changed(), want)
	}
	p.click("#panel section > button")
	p.wait(`document.querySelector("#panel .list")?.innerText.includes("02:00:00:00:00:02")`)
	if !strings.Contains(p.text("#panel .list"), "frozen") {
		t.Errorf("MACs: %s", p.text("#panel .list"))
	}
	p.shoot("panel-dark")
	p.click("#events-link")
	p.wait(`document.querySelectorAll("#panel .events li").length === 5`)
	if !strings.Contains(p.text("#panel .events"), `<b>not bold</b> & "quoted"`) {
		t.Errorf("text of the gateway is not shown as text: %s", p.text("#panel .events"))
	}
	p.shoot("events-dark")
	c.wantQuiet(origin)
}

func TestAReaderHasNoButtons(t *testing.T) {
	g := newGateway(8)
	origin := serveSocket(t, g, reader)
	c := startChromium(t)
	p := c.open(origin+"/#ext/acme", desktop, "light")
	p.wait(live)
	p.wait(`document.querySelector("#panel .events li") && document.querySelector("#events-link").checkVisibility()`)
	var shown bool
	p.eval(`document.querySelector("#panel .buttons").checkVisibility()`, &shown)
	if shown || len(g.changed()) > 0 {
		t.Errorf("a reader is offered buttons: %v; changed: %q", shown, g.changed())
	}
	c.wantQuiet(origin)
}

// TestFourThousandExtensions: only what is in sight is in the document, and finding one is quick.
func TestFourThousandExtensions(t *testing.T) {
	origin := serveTCP(t, newGateway(4000))
	c := startChromium(t)
	p := c.open(origin+"/", desktop, "light")
	p.wait(live)
	p.shoot("many-light")
	p.wantLight()
	var rows int
	p.eval(`document.querySelectorAll("#list li").length`, &rows)
	if rows < 5 || rows > 40 {
		t.Errorf("%d rows are in the document", rows)
	}
	p.eval(`scrollTo(0, document.documentElement.scrollHeight)`, nil)
	p.wait(`[...document.querySelectorAll("#list li")].some((l) => l.getAttribute("aria-posinset") === "4000" && l.getBoundingClientRect().bottom <= innerHeight)`)
	p.eval(`document.querySelectorAll("#list li").length`, &rows)
	if rows > 40 {
		t.Errorf("%d rows are in the document after scrolling", rows)
	}
	// What the script does for a step of scrolling: the quickest of thirty, since the machine may be busy.
	var step float64
	p.eval(`Math.min(...Array.from({length: 30}, (_, n) => { scrollTo(0, 50000 + 900 * n); const began = performance.now();
		dispatchEvent(new Event("scroll")); return performance.now() - began; }))`, &step)
	t.Logf("a step of scrolling takes %.1f ms", step)
	if step > 16 {
		t.Errorf("a step of scrolling takes %.1f ms, more than a frame", step)
	}
	p.press("/")
	p.wait(`document.activeElement.id === "search"`)
	p.write("wonka vni 13999"[:5] + " 1234")
	p.wait(`[...document.querySelectorAll("#list li")].filter((l) => !l.hidden).every((l) => l.innerText.includes("wonka"))`)
	p.eval(`document.querySelector("#search").value = ""`, nil)
	p.write("hooli-3996")
	p.wait(`[...document.querySelectorAll("#list li")].filter((l) => !l.hidden).length === 1`)
	p.eval(`document.querySelector("#search").value = ""`, nil)
	p.write("nobody")
	p.wait(`document.querySelector("#nothing").innerText === "No extension fits."`)
	p.click(`[data-filter="down"]`)
	p.eval(`(() => { const s = document.querySelector("#search"); s.value = ""; s.dispatchEvent(new Event("input")); })()`, nil)
	p.wait(`[...document.querySelectorAll("#list li")].filter((l) => !l.hidden).map((l) => l.querySelector("strong").textContent).join() === "umbrella"`)
	c.wantQuiet(origin)
}

// wantLight wants a page of thousands of extensions to be there soon, and small. The machine may be busy: the limits are for
// what nobody would wait for.
func (p *tab) wantLight() {
	p.t.Helper()
	var paint, read float64
	p.eval(`performance.getEntriesByName("first-contentful-paint")[0].startTime`, &paint)
	p.eval(`Math.min(...performance.getEntriesByType("resource").filter((r) => r.name.includes("view=table")).map((r) => r.duration))`, &read)
	p.do("HeapProfiler.collectGarbage", nil)
	var heap struct {
		UsedSize float64 `json:"usedSize"`
	}
	p.result(p.do("Runtime.getHeapUsage", nil), &heap)
	p.t.Logf("first paint after %.0f ms, a reading takes %.0f ms, the page's heap is %.1f MiB", paint, read, heap.UsedSize/(1<<20))
	if paint > 5000 || read > 2000 || heap.UsedSize > 64<<20 {
		p.t.Errorf("first paint after %.0f ms, a reading takes %.0f ms, the page's heap is %.1f MiB", paint, read, heap.UsedSize/(1<<20))
	}
}

// TestWindows: nothing overflows, on a phone or between, and all text can be read, light and dark.
func TestWindows(t *testing.T) {
	origin := serveSocket(t, newGateway(40), operator)
	c := startChromium(t)
	for name, s := range map[string]size{"phone": phone, "narrow": {320, 640, true}, "tablet": {820, 1180, true}, "laptop": {1180, 800, false}, "desktop": desktop} {
		for _, scheme := range []string{"light", "dark"} {
			for view, fragment := range map[string]string{"list": "", "panel": "#ext/globex", "events": "#events"} {
				p := c.open(origin+"/"+fragment, s, scheme)
				p.wait(live)
				if fragment != "" {
					p.wait(`document.querySelector("#panel").innerText.length > 80`)
				}
				p.shoot(fmt.Sprintf("%s-%s-%s", view, name, scheme))
				var wide []string
				p.eval(overflowing, &wide)
				var faint []string
				p.eval(unreadable, &faint)
				if len(wide) > 0 || len(faint) > 0 {
					t.Errorf("%s, %s, %s: overflowing %q, hard to read %q", view, name, scheme, wide, faint)
				}
				p.do("Page.close", nil)
			}
		}
	}
	c.wantQuiet(origin)
}

// overflowing names elements that are wider than the window, and rows higher than their place.
const overflowing = `[document.documentElement, ...document.querySelectorAll("#list li:not([hidden]) .row")]
	.filter((e) => e.scrollWidth > e.clientWidth + 1 || e.scrollHeight > e.clientHeight + 1 && e.className === "row")
	.map((e) => e.tagName + " " + e.scrollWidth + "x" + e.scrollHeight + " in " + e.clientWidth + "x" + e.clientHeight)`

// unreadable names text whose contrast is below 4.5 to 1 (WCAG 2.2, 1.4.3).
const unreadable = `(() => {
	const parse = (c) => (c.match(/[\d.]+/g) ?? []).map(Number);
	const light = ([r, g, b]) => [r, g, b].map((v) => (v /= 255) <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4)
		.reduce((sum, v, i) => sum + v * [0.2126, 0.7152, 0.0722][i], 0);
	const ground = (e) => { for (; e; e = e.parentElement) { const c = parse(getComputedStyle(e).backgroundColor); if (c.length === 3 || c[3] === 1) return c; } return [255, 255, 255]; };
	const found = new Set();
	for (const e of document.querySelectorAll("body *")) {
		const own = [...e.childNodes].some((n) => n.nodeType === 3 && n.textContent.trim());
		if (!own || !e.checkVisibility() || e.disabled || e.closest("noscript, option")) continue;
		const [a, b] = [light(parse(getComputedStyle(e).color)), light(ground(e))].sort((x, y) => y - x);
		if ((a + 0.05) / (b + 0.05) < 4.5) found.add(e.tagName + "." + e.className + " " + e.textContent.slice(0, 20) + " " + ((a + 0.05) / (b + 0.05)).toFixed(1));
	}
	return [...found];
})()`
