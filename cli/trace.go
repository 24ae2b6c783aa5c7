// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bufio"
	"context"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/drawbridge-l2/drawbridge/api"
	"github.com/drawbridge-l2/drawbridge/pcapng"
)

// traceOptions are the flags of trace.
type traceOptions struct {
	options
	to, from string
	vni      uint32
	hex      string
	pcap     string
	verbose  bool
	frame    api.TraceFrame
}

// describing are the flags that describe a frame.
var describing = []string{"src-mac", "dst-mac", "type", "src-ip", "dst-ip", "proto", "src-port", "dst-port", "inner-vlan", "size"}

func traceCommand() *cobra.Command {
	var o traceOptions
	c := prepare(&cobra.Command{
		Use:   "trace EXT --to cloud|customer",
		Short: "Run frames through copies of the programs and say what each stage decides",
		Long: `Says what would happen to a frame, and why. The frame runs through the gateway's own programs, loaded beside the live
ones over copies of their tables: nothing is sent, and no counter or table changes.

Frames are given without the circuit's tags, which are added; a frame that begins with them is taken as it is. To the
customer a frame is put into a tunnel packet, unless it is one for the gateway's VTEP.`,
		Example: `  drawbridge trace acme --to cloud                            # somebody's ARP
  drawbridge trace acme --to cloud --src-mac 02:00:00:00:01:01 --dst-mac 02:00:00:00:02:02 --proto tcp --dst-port 443
  drawbridge trace acme --to customer --from 192.0.2.66 --type ra
  drawbridge trace acme --to cloud --pcap customer.pcapng`,
		Args:              cobra.ExactArgs(1),
		ValidArgsFunction: o.completeExtensions,
		RunE: func(c *cobra.Command, args []string) error {
			if err := o.check(c); err != nil {
				return usageError(fmt.Errorf("%w: see `%s --help`", err, c.CommandPath()))
			}
			return showTraces(c.Context(), c.OutOrStdout(), c.ErrOrStderr(), args[0], &o)
		},
	}, &o.options)
	o.addFlags(c)
	return c
}

func (o *traceOptions) addFlags(c *cobra.Command) {
	f := c.Flags()
	f.StringVar(&o.to, "to", "", "cloud or customer: which way the frame goes")
	f.StringVar(&o.from, "from", "", "to customer: the VTEP that sends it (default: the source's, else the first peer)")
	f.Uint32Var(&o.vni, "vni", 0, "to customer: the VNI of the tunnel packet (default: the extension's)")
	f.StringVar(&o.hex, "hex", "", "the frame in hexadecimal, from the destination MAC on")
	f.StringVar(&o.pcap, "pcap", "", "a file, pcapng or pcap: each of its frames, one after another")
	f.BoolVarP(&o.verbose, "verbose", "v", false, "with --pcap: every stage of every frame")
	f.StringVar(&o.frame.SrcMAC, "src-mac", "", "default "+api.DefaultTraceSource)
	f.StringVar(&o.frame.DstMAC, "dst-mac", "", "default broadcast")
	f.StringVar(&o.frame.Type, "type", "", "arp, rarp, ipv4, ipv6, nd, ra, stp, lldp, cfm or an EtherType such as 0x88b5 (default: by the other flags, else arp)")
	f.StringVar(&o.frame.SrcIP, "src-ip", "", "default: an address for documentation")
	f.StringVar(&o.frame.DstIP, "dst-ip", "", "likewise")
	f.StringVar(&o.frame.Proto, "proto", "", "udp, tcp (a SYN), icmp, igmp, vrrp or a number (default: by the ports, else icmp)")
	f.Uint32Var(&o.frame.SrcPort, "src-port", 0, "67 and 68 make it DHCP")
	f.Uint32Var(&o.frame.DstPort, "dst-port", 0, "likewise")
	f.Uint32Var(&o.frame.InnerVLAN, "inner-vlan", 0, "a tag behind the circuit's own")
	f.IntVar(&o.frame.Size, "size", 0, "bytes, without the circuit's tags (default: as short as it may be)")
}

// check finds flags that do not go together.
func (o *traceOptions) check(c *cobra.Command) error {
	if o.to != "cloud" && o.to != "customer" {
		return fmt.Errorf("--to is %q: cloud or customer is allowed", o.to)
	}
	described := false
	for _, name := range describing {
		described = described || c.Flags().Changed(name)
	}
	given := 0
	for _, is := range []bool{described, o.hex != "", o.pcap != ""} {
		if is {
			given++
		}
	}
	switch {
	case given > 1:
		return errors.New("a frame is described, in --hex or in --pcap: one of them is allowed")
	case o.verbose && o.pcap == "":
		return errors.New("--verbose is for --pcap: one frame is always shown in full")
	}
	return nil
}

// request has no frames yet.
func (o *traceOptions) request() api.TraceRequest {
	return api.TraceRequest{To: o.to, From: o.from, VNI: o.vni}
}

func showTraces(ctx context.Context, w, notes io.Writer, ext string, o *traceOptions) error {
	client := o.client()
	defer client.Close()
	if o.pcap != "" {
		return traceCapture(ctx, w, notes, client, ext, o)
	}
	r := o.request()
	f := o.frame
	if o.hex != "" {
		f = api.TraceFrame{Hex: strings.NewReplacer(" ", "", ":", "", "\n", "").Replace(strings.TrimPrefix(o.hex, "0x"))}
	}
	r.Frames = []api.TraceFrame{f}
	traces, err := client.Trace(ctx, ext, r)
	if err != nil {
		return err
	}
	if len(traces) != 1 {
		return fmt.Errorf("the daemon answered with %d traces of one frame", len(traces))
	}
	if o.json() {
		return printJSON(w, traces[0])
	}
	out := bufio.NewWriter(w)
	printTrace(out, &traces[0], paletteFor(w))
	return flushed(out)
}

// traceCapture traces a file, as many frames at a time as a request may have.
func traceCapture(ctx context.Context, w, notes io.Writer, client *api.Client, ext string, o *traceOptions) error {
	file, err := os.Open(o.pcap)
	if err != nil {
		return fmt.Errorf("open capture: %w", err)
	}
	defer file.Close()
	frames, err := readFrames(file)
	if err != nil {
		return fmt.Errorf("%s: %w", o.pcap, err)
	}
	all := []api.Trace{}
	out := bufio.NewWriter(w)
	for first := 0; first < len(frames); first += api.MaxTraceFrames {
		r := o.request()
		r.Frames = frames[first:min(len(frames), first+api.MaxTraceFrames)]
		traces, err := client.Trace(ctx, ext, r)
		if err != nil {
			return errors.Join(err, out.Flush())
		}
		if first > 0 {
			fmt.Fprintf(notes, "drawbridge: from frame %d on the tables are copied anew: what the frames before taught and spent is forgotten\n", first+1)
		}
		if o.json() {
			all = append(all, traces...)
			continue
		}
		for i := range traces {
			printTraceLine(out, first+i+1, &traces[i], o.verbose, paletteFor(w))
		}
	}
	if o.json() {
		return printJSON(w, all)
	}
	return flushed(out)
}

// readFrames reads a capture. What it has cut off is zero.
func readFrames(r io.Reader) ([]api.TraceFrame, error) {
	capture, err := pcapng.NewReader(r)
	if err != nil {
		return nil, err
	}
	var frames []api.TraceFrame
	var first time.Time
	for {
		p, err := capture.Next()
		if err == io.EOF {
			return frames, nil
		}
		if err != nil {
			return nil, fmt.Errorf("packet %d: %w", len(frames)+1, err)
		}
		if len(frames) == 0 {
			first = p.At
		}
		if missing := p.Size - len(p.Bytes); missing > 0 && p.Size <= 1<<16 {
			p.Bytes = append(p.Bytes, make([]byte, missing)...)
		}
		frames = append(frames, api.TraceFrame{Hex: hex.EncodeToString(p.Bytes), AfterNS: int64(max(0, p.At.Sub(first)))})
	}
}
