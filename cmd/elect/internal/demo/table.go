// SPDX-License-Identifier: Apache-2.0
// Copyright 2026 The concurrency Authors

package demo

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"
)

// table shows each handover, and below it where the bounds come from.
func table(hs []handover, ttl time.Duration) string {
	var b strings.Builder
	w := tabwriter.NewWriter(&b, 0, 0, 3, ' ', 0)
	fmt.Fprintln(w, "act\told leader\tnew leader\told term over\tnobody led\tbound\tslack")
	for i, o := range hs {
		bound, _ := o.cause.vacancy(ttl)
		fmt.Fprintf(w, "%d\t%s %s\t%s\tafter %s\t%s\t%s\t%s\t%s\n", i+1, o.from.who, o.cause, o.to.who,
			show3(o.lingered), show3(o.vacant), show3(bound), show3(o.slack), o.verdict(ttl))
	}
	_ = w.Flush() // to a strings.Builder
	b.WriteString("\nold term over: from the removal until the old leader's Term was done; bound: " +
		fmt.Sprintf("%v, and the TTL of %v before that if it was silent\n", busy, ttl))
	b.WriteString("nobody led: from then, for a crash from the crash itself, until the next Campaign returned\n")
	b.WriteString("slack: from the end of the old Term until the next Campaign returned\n")
	for _, c := range []cause{resigned, deleted, crashed, cutOff} {
		bound, reason := c.vacancy(ttl)
		fmt.Fprintf(&b, "bound, %s: %s: %s\n", c, show3(bound), reason)
	}
	fmt.Fprintf(&b, "slack, %s: down to -%v: etcd takes the lead from one and gives it to the next in the same instant, and\n"+
		"  each hears of it from its own member; what the old leader still writes then is refused by its fence\n\n", deleted, deleted.overlap())
	return b.String()
}

// verdict says whether the handover was as it should be.
func (o handover) verdict(ttl time.Duration) string {
	if o.check(ttl) != nil || o.slack < -o.cause.overlap() {
		return "FAIL"
	}
	return "ok"
}

// show3 shows a duration with as many digits as matter.
func show3(d time.Duration) string {
	switch abs := d.Abs(); {
	case abs >= time.Second:
		return fmt.Sprintf("%.2fs", d.Seconds())
	case abs >= 10*time.Millisecond:
		return fmt.Sprintf("%.0fms", d.Seconds()*1e3)
	default:
		return fmt.Sprintf("%.2fms", d.Seconds()*1e3)
	}
}
