// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"fmt"
	"os"
	"testing"
)

var documented = size{1280, 860, false}

// TestRealGateway: a daemon in a lab, calm, in a storm, and with a loop, as the page and `top` show it. With
// DRAWBRIDGE_PICTURES it takes the pictures of the documentation, for which it takes more time.
func TestRealGateway(t *testing.T) {
	g := startGateway(t)
	c := startChromium(t)
	p := c.open(g.origin+"/", documented, "light")
	g.traffic(t)
	p.wait(live)
	top := openTerminal(t, g.daemon.Binary, "top", "--socket", g.daemon.Socket())
	samples := 4
	if picturesDir() != "" {
		samples = 40
	}

	p.waitSamples(samples)
	if got := p.text(`[data-filter="lowered"] b`); got != fmt.Sprint(len(busy)) {
		t.Errorf("calm: %s lowered", got)
	}
	top.wait(t, "gw-north", "acme", "umbrella", "6 lowered")
	p.picture("page-calm")
	c.pictureTop("top-calm", top.wait(t, "NAME"))

	mad, stop := g.storm(t)
	p.eval(`location.hash = "#ext/acme"`, nil)
	p.wait(`document.querySelector("#panel").innerText.includes("storm-source")`)
	p.wait(fmt.Sprintf(`document.querySelector("#panel tr code")?.innerText === %q`, mad.MAC))
	p.wait(`document.querySelector("#latest").innerText.includes("storm-")`)
	top.press(t, "\x1b[H") // to the first, which has the storm
	top.press(t, "\r")
	p.waitMore(samples / 3)
	p.picture("page-storm")
	c.pictureTop("top-storm", top.wait(t, "storm-source", mad.MAC.String(), "EVENTS", "hint", "█"))
	stop()

	patch, err := g.PatchCloud("globex", g.Hypervisors[0]) // somebody else's bridge beside the gateway
	must(t, err)
	p.eval(`location.hash = "#ext/globex"`, nil)
	p.wait(`document.querySelector("#panel .pill")?.textContent === "half-raised"`)
	p.wait(`document.querySelector("#panel .why").textContent.includes("loop")`)
	p.wait(`document.querySelector("#panel .events")?.innerText.includes("trip")`)
	p.waitMore(samples / 5)
	p.picture("page-loop")
	top.press(t, "\x1b")
	top.wait(t, "NAME", "globex   half-raised") // the head says so before the line does, and then the first is still another
	top.press(t, "\x1b[H")
	c.pictureTop("top-loop", top.wait(t, "▸ globex", "half-raised", "loop:", "LATEST EVENTS"))
	must(t, patch.Pull())
	p.wait(`document.querySelector("#panel .pill").textContent === "lowered"`)
	c.wantQuiet(g.origin)
}

// waitSamples waits until the plots have so many samples.
func (p *tab) waitSamples(n int) {
	p.t.Helper()
	for part := 10; part < n; part += 10 {
		p.wait(fmt.Sprintf(plotted, part))
	}
	p.wait(fmt.Sprintf(plotted, n))
}

// waitMore waits for so many more.
func (p *tab) waitMore(n int) {
	p.t.Helper()
	var have int
	p.eval(`document.querySelector("#sum-cloud-plot .line").getAttribute("d").split("L").length`, &have)
	p.waitSamples(min(have+n, 59))
}

const plotted = `document.querySelector("#sum-cloud-plot .line").getAttribute("d")?.split("L").length >= %d`

// picturesDir is where the documentation's pictures go; empty: nowhere.
func picturesDir() string { return os.Getenv("DRAWBRIDGE_PICTURES") }

// picture takes four pictures: light and dark, on a desk and on a phone. The tab stays, since its plots have a past.
func (p *tab) picture(name string) {
	p.t.Helper()
	if picturesDir() == "" {
		return
	}
	for _, scheme := range []string{"dark", "light"} {
		p.scheme(scheme)
		for suffix, s := range map[string]size{"": documented, "-phone": phone} {
			p.resize(s)
			p.eval(`new Promise((done) => { scrollTo(0, 0); requestAnimationFrame(() => requestAnimationFrame(done)); })`, nil)
			p.capture(picturesDir(), name+suffix+"-"+scheme, nil)
		}
	}
	p.resize(documented)
}

// pictureTop takes two pictures of a terminal.
func (c *chromium) pictureTop(name string, lines []string) {
	c.t.Helper()
	if picturesDir() == "" {
		return
	}
	for _, scheme := range []string{"light", "dark"} {
		p := c.paint(lines, scheme)
		var area rectangle
		p.eval(`(({x, y, width, height}) => ({x, y, width, height, scale: 1}))(document.querySelector("pre").getBoundingClientRect())`, &area)
		p.capture(picturesDir(), name+"-"+scheme, &area)
		p.do("Page.close", nil)
	}
}
