// SPDX-License-Identifier: Apache-2.0

package browser_test

import (
	"bufio"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// deadline is how long a test waits for what shall happen in the browser.
const deadline = 60 * time.Second

// chromium is a headless browser that is told what to do through a pipe (--remote-debugging-pipe): JSON
// messages of the Chrome DevTools Protocol, each ended by a zero byte.
type chromium struct {
	t   *testing.T
	in  *os.File
	ids int

	mu      sync.Mutex // guards the following
	waiting map[int]chan message
	faults  []string // what the browser complained of
	asked   []string // URLs of all requests
}

// message is what comes from the browser.
type message struct {
	ID     int             `json:"id"`
	Method string          `json:"method"`
	Params json.RawMessage `json:"params"`
	Result json.RawMessage `json:"result"`
	Error  *struct {
		Message string `json:"message"`
	} `json:"error"`
}

// startChromium starts a browser of its own, which ends with the test.
func startChromium(t *testing.T) *chromium {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		t.Fatalf("%v: `make test-page` installs it", err)
	}
	toBrowser, in, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	out, fromBrowser, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	home, err := os.MkdirTemp("", "chromium-")
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run",
		"--disable-background-networking", "--disable-component-update", "--disable-sync", "--disable-dev-shm-usage",
		"--force-device-scale-factor=1", "--user-data-dir="+home, "--remote-debugging-pipe", "about:blank")
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.ExtraFiles = []*os.File{toBrowser, fromBrowser} // 3 and 4
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	toBrowser.Close()
	fromBrowser.Close()
	c := &chromium{t: t, in: in, waiting: map[int]chan message{}}
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		c.read(bufio.NewReaderSize(out, 1<<20))
	}()
	t.Cleanup(func() {
		syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // the group that it began: it has many processes
		cmd.Wait()
		in.Close()
		<-ended
		out.Close()
		removeAll(t, home)
	})
	return c
}

// removeAll removes a directory into which dying processes may still write.
func removeAll(t *testing.T, dir string) {
	tick := time.NewTicker(50 * time.Millisecond)
	defer tick.Stop()
	for end := time.Now().Add(deadline); ; <-tick.C {
		err := os.RemoveAll(dir)
		if err == nil {
			return
		}
		if time.Now().After(end) {
			t.Error(err)
			return
		}
	}
}

func (c *chromium) read(from *bufio.Reader) {
	for {
		raw, err := from.ReadBytes(0)
		if err != nil {
			return
		}
		var m message
		if json.Unmarshal(raw[:len(raw)-1], &m) != nil {
			continue
		}
		c.mu.Lock()
		if waiting, ok := c.waiting[m.ID]; ok && m.ID != 0 {
			delete(c.waiting, m.ID)
			waiting <- m
		} else {
			c.note(m)
		}
		c.mu.Unlock()
	}
}

// note keeps what a test wants to know of events.
func (c *chromium) note(m message) {
	switch m.Method {
	case "Runtime.exceptionThrown", "Log.entryAdded", "Security.securityStateChanged":
		c.faults = append(c.faults, string(m.Params))
	case "Runtime.consoleAPICalled":
		if strings.Contains(string(m.Params), `"type":"error"`) {
			c.faults = append(c.faults, string(m.Params))
		}
	case "Network.requestWillBeSent":
		var p struct {
			Request struct {
				URL string `json:"url"`
			} `json:"request"`
		}
		if json.Unmarshal(m.Params, &p) == nil {
			c.asked = append(c.asked, p.Request.URL)
		}
	}
}

// call sends a command and returns its result.
func (c *chromium) call(session, method string, params any) json.RawMessage {
	c.t.Helper()
	answer := make(chan message, 1)
	c.mu.Lock()
	c.ids++
	id := c.ids
	c.waiting[id] = answer
	c.mu.Unlock()
	request := map[string]any{"id": id, "method": method, "params": params}
	if session != "" {
		request["sessionId"] = session
	}
	raw, err := json.Marshal(request)
	if err != nil {
		c.t.Fatal(err)
	}
	if _, err := c.in.Write(append(raw, 0)); err != nil {
		c.t.Fatalf("%s: %v", method, err)
	}
	select {
	case m := <-answer:
		if m.Error != nil {
			c.t.Fatalf("%s: %s", method, m.Error.Message)
		}
		return m.Result
	case <-time.After(deadline):
		c.t.Fatalf("%s: the browser does not answer", method)
		return nil
	}
}

// tab is one page in the browser.
type tab struct {
	*chromium
	session string
}

// size is a window. Mobile ones have touch and the phone's way with the viewport.
type size struct {
	width, height int
	mobile        bool
}

var (
	desktop = size{1440, 900, false}
	phone   = size{390, 844, true}
)

// open opens an address in a window of that size; scheme is light or dark.
func (c *chromium) open(url string, s size, scheme string) *tab {
	c.t.Helper()
	var target struct {
		TargetID string `json:"targetId"`
	}
	c.result(c.call("", "Target.createTarget", map[string]any{"url": "about:blank"}), &target)
	var attached struct {
		SessionID string `json:"sessionId"`
	}
	c.result(c.call("", "Target.attachToTarget", map[string]any{"targetId": target.TargetID, "flatten": true}), &attached)
	p := &tab{c, attached.SessionID}
	for _, domain := range []string{"Page", "Runtime", "Log", "Network"} {
		p.do(domain+".enable", nil)
	}
	p.resize(s)
	p.scheme(scheme)
	p.do("Page.navigate", map[string]any{"url": url})
	return p
}

func (c *chromium) result(raw json.RawMessage, into any) {
	c.t.Helper()
	if err := json.Unmarshal(raw, into); err != nil {
		c.t.Fatal(err)
	}
}

func (p *tab) do(method string, params any) json.RawMessage {
	p.t.Helper()
	if params == nil {
		params = map[string]any{}
	}
	return p.call(p.session, method, params)
}

// scheme turns to light or dark.
func (p *tab) scheme(scheme string) {
	p.t.Helper()
	p.do("Emulation.setEmulatedMedia", map[string]any{"features": []map[string]string{{"name": "prefers-color-scheme", "value": scheme}}})
}

func (p *tab) resize(s size) {
	p.t.Helper()
	p.do("Emulation.setDeviceMetricsOverride", map[string]any{"width": s.width, "height": s.height, "deviceScaleFactor": 1, "mobile": s.mobile})
}

// eval is the value of an expression in the page. A promise is waited for.
func (p *tab) eval(expression string, into any) {
	p.t.Helper()
	var answer struct {
		Result struct {
			Value json.RawMessage `json:"value"`
		} `json:"result"`
		ExceptionDetails json.RawMessage `json:"exceptionDetails"`
	}
	p.result(p.do("Runtime.evaluate", map[string]any{"expression": expression, "returnByValue": true, "awaitPromise": true}), &answer)
	if answer.ExceptionDetails != nil {
		p.t.Fatalf("%s: %s", expression, answer.ExceptionDetails)
	}
	if into != nil {
		p.result(answer.Result.Value, into)
	}
}

// wait waits until an expression is true. One that fails, since the page is not there yet, is not.
func (p *tab) wait(expression string) {
	p.t.Helper()
	tick := time.NewTicker(20 * time.Millisecond)
	defer tick.Stop()
	timeout := time.After(deadline)
	for {
		var holds bool
		p.eval("(() => { try { return Boolean("+expression+"); } catch { return false; } })()", &holds)
		if holds {
			return
		}
		select {
		case <-tick.C:
		case <-timeout:
			var text string
			p.eval("document.body.innerText.slice(0, 2000)", &text)
			p.shoot("failure")
			p.t.Fatalf("in vain: %s\n%s", expression, text)
		}
	}
}

// text is what somebody reads in the first element that the selector finds.
func (p *tab) text(selector string) (text string) {
	p.t.Helper()
	p.eval(fmt.Sprintf("document.querySelector(%q)?.innerText ?? ''", selector), &text)
	return text
}

// click clicks where the element is, as a mouse does: what covers it would get the click.
func (p *tab) click(selector string) {
	p.t.Helper()
	p.wait(fmt.Sprintf("document.querySelector(%q)?.checkVisibility()", selector))
	var at struct{ X, Y float64 }
	p.eval(fmt.Sprintf(`(() => { const e = document.querySelector(%q); e.scrollIntoView({block: "nearest"});
		const r = e.getBoundingClientRect(); return {X: r.x + r.width / 2, Y: r.y + r.height / 2}; })()`, selector), &at)
	for _, kind := range []string{"mousePressed", "mouseReleased"} {
		p.do("Input.dispatchMouseEvent", map[string]any{"type": kind, "x": at.X, "y": at.Y, "button": "left", "clickCount": 1})
	}
}

// write types into what has the focus.
func (p *tab) write(text string) {
	p.t.Helper()
	p.do("Input.insertText", map[string]any{"text": text})
}

// press presses a key.
func (p *tab) press(key string) {
	p.t.Helper()
	for _, kind := range []string{"keyDown", "keyUp"} {
		p.do("Input.dispatchKeyEvent", map[string]any{"type": kind, "key": key, "code": key, "text": map[bool]string{true: key}[len(key) == 1 && kind == "keyDown"]})
	}
}

// shoot takes a picture, where DRAWBRIDGE_SCREENSHOTS names a directory for it.
func (p *tab) shoot(name string) {
	p.t.Helper()
	if dir := os.Getenv("DRAWBRIDGE_SCREENSHOTS"); dir != "" {
		p.capture(dir, name, nil)
	}
}

// rectangle is a part of the page, in CSS pixels.
type rectangle struct {
	X      float64 `json:"x"`
	Y      float64 `json:"y"`
	Width  float64 `json:"width"`
	Height float64 `json:"height"`
	Scale  float64 `json:"scale"`
}

// capture writes what is in the window, or a part of it, as DIR/NAME.png.
func (p *tab) capture(dir, name string, part *rectangle) {
	p.t.Helper()
	params := map[string]any{"format": "png"}
	if part != nil {
		params["clip"] = part
	}
	var picture struct {
		Data string `json:"data"`
	}
	p.result(p.do("Page.captureScreenshot", params), &picture)
	png, err := base64.StdEncoding.DecodeString(picture.Data)
	must(p.t, err)
	must(p.t, os.WriteFile(filepath.Join(dir, name+".png"), paletted(p.t, png), 0o644))
}

// wantQuiet checks that the browser complained of nothing, and asked nobody else for anything.
func (c *chromium) wantQuiet(origins ...string) {
	c.t.Helper()
	c.mu.Lock()
	defer c.mu.Unlock()
	for _, fault := range c.faults {
		c.t.Errorf("the browser complains: %s", fault)
	}
	for _, url := range c.asked {
		ours := false
		for _, origin := range origins {
			ours = ours || strings.HasPrefix(url, origin+"/")
		}
		if !ours {
			c.t.Errorf("the page asked for %s", url)
		}
	}
	if len(c.asked) == 0 {
		c.t.Error("the browser asked for nothing")
	}
}
