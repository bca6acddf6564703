package text

import (
	"fmt"
	"math/rand/v2"
	"strings"
)

// corpora are made of what containers write, each as one container would.
var corpora = []struct {
	name string
	line func(r *rand.Rand, i int) string
}{
	{"app", appLine},
	{"access", accessLine},
	{"hdfs", hdfsLine},
	{"spark", sparkLine},
	{"sshd", sshdLine},
	{"kernel", kernelLine},
	{"sentence", sentenceLine},
	{"path", func(r *rand.Rand, _ int) string { return path(r) }},
	{"user", func(r *rand.Rand, _ int) string { return fmt.Sprintf("user-%d", zipf(r, 50000)) }},
	{"name", func(r *rand.Rand, _ int) string { return name(r, 2000) }},
}

func zipf(r *rand.Rand, n uint64) uint64 { return rand.NewZipf(r, 1.2, 8, n-1).Uint64() }

func pick(r *rand.Rand, s ...string) string { return s[r.IntN(len(s))] }

func skewed(r *rand.Rand, s []string) string { return s[zipf(r, uint64(len(s)))] }

func name(r *rand.Rand, n uint64) string {
	const a, b = "bdfgklmnprstvz", "aeiou"
	k := zipf(r, n)
	s := ""
	for range 3 {
		s += string(a[k%14]) + string(b[k/14%5])
		k = k/3 + 7
	}
	return s
}

func ip(r *rand.Rand) string {
	k := zipf(r, 4000)
	return fmt.Sprintf("10.%d.%d.%d", k%4, k/4%200, (k*7)%250)
}

// clock is the time of the i-th line, some hundred milliseconds after the one before.
func clock(r *rand.Rand, i int) (h, m, s, ms int) {
	t := i*170 + r.IntN(170)
	return t / 3600000 % 24, t / 60000 % 60, t / 1000 % 60, t % 1000
}

func path(r *rand.Rand) string {
	switch r.IntN(6) {
	case 0:
		return fmt.Sprintf("/api/v1/orders/%d", r.IntN(100000))
	case 1:
		return fmt.Sprintf("/api/v1/users/%d/profile", zipf(r, 20000))
	case 2:
		return fmt.Sprintf("/api/v2/items/%d?page=%d&size=50", r.IntN(5000), zipf(r, 40))
	case 3:
		return "/healthz"
	case 4:
		return "/static/js/" + pick(r, "app", "vendor", "chunk", "runtime") + fmt.Sprintf(".%08x.js", r.Uint32N(40)*0x9e3779b1)
	}
	return "/api/v1/" + pick(r, "cart", "search", "login", "logout", "checkout", "payments")
}

func appLine(r *rand.Rand, _ int) string {
	switch r.IntN(12) {
	case 0, 1, 2:
		return fmt.Sprintf("request completed method=%s path=%s status=%d duration_ms=%d", pick(r, "GET", "GET", "POST", "PUT"), path(r), []int{200, 200, 200, 201, 404, 500}[r.IntN(6)], zipf(r, 3000))
	case 3:
		return fmt.Sprintf("user %d logged in from %s", zipf(r, 20000), ip(r))
	case 4:
		return fmt.Sprintf("cache miss for key session:%016x, loading from database", r.Uint64())
	case 5:
		return fmt.Sprintf("order %d created for customer %d: total=%d.%02d EUR items=%d", 100000+r.IntN(900000), zipf(r, 20000), r.IntN(900), r.IntN(100), 1+r.IntN(9))
	case 6:
		return fmt.Sprintf("payment failed: connection refused to payments-%d.internal:8443 after %d retries", r.IntN(4), 1+r.IntN(5))
	case 7:
		return fmt.Sprintf("slow query took %dms: SELECT * FROM orders WHERE customer_id = %d LIMIT 50", 200+zipf(r, 4000), zipf(r, 20000))
	case 8:
		return fmt.Sprintf("worker-%d: processed batch %d of %d records in %dms", r.IntN(16), r.IntN(1e6), 100+r.IntN(400), zipf(r, 900))
	case 9:
		return fmt.Sprintf("java.lang.NullPointerException: Cannot invoke \"Order.getId()\" at com.shop.OrderService.load(OrderService.java:%d)", 40+r.IntN(200))
	case 10:
		return fmt.Sprintf("feature flag %s evaluated to %t for user %s", pick(r, "new_checkout", "dark_mode", "fast_search"), r.IntN(2) == 0, name(r, 500))
	}
	return fmt.Sprintf("published event %s to topic %s partition %d offset %d", pick(r, "OrderCreated", "OrderPaid", "UserUpdated"), pick(r, "orders", "users"), r.IntN(12), 1000000+r.IntN(100000))
}

var agents = func() (s []string) {
	r := rand.New(rand.NewPCG(1, 1))
	for i := range 120 {
		s = append(s, fmt.Sprintf("Mozilla/5.0 (%s) AppleWebKit/%d.%d (KHTML, like Gecko) %s/%d.0.%d.%d Safari/%d.%d",
			pick(r, "Windows NT 6.1; WOW64", "Macintosh; Intel Mac OS X 10_9_1", "X11; Linux x86_64", "iPad; CPU OS 7_0 like Mac OS X", "compatible; Googlebot"),
			530+i%8, i%40, pick(r, "Chrome", "Version", "Mobile", "Edge"), 20+i%14, 1500+i, i%100, 530+i%8, i%40))
	}
	return s
}()

var pages = func() (s []string) {
	r := rand.New(rand.NewPCG(2, 2))
	for range 800 {
		p := ""
		for range 1 + r.IntN(4) {
			p += "/" + name(r, 300)
		}
		s = append(s, p+pick(r, "", "/", ".html", ".png", ".css", fmt.Sprintf("?p=%d", r.IntN(100))))
	}
	return s
}()

func accessLine(r *rand.Rand, i int) string {
	h, m, s, _ := clock(r, i)
	ref := "-"
	if r.IntN(2) == 0 {
		ref = "http://www.example.com" + skewed(r, pages)
	}
	return fmt.Sprintf(`%s - - [17/May/2015:%02d:%02d:%02d +0000] "%s %s HTTP/1.1" %d %d "%s" "%s"`, ip(r), h, m, s,
		pick(r, "GET", "GET", "GET", "GET", "POST", "HEAD"), skewed(r, pages), []int{200, 200, 200, 304, 404, 301}[r.IntN(6)], zipf(r, 60000), ref, skewed(r, agents))
}

func hdfsLine(r *rand.Rand, i int) string {
	h, m, s, _ := clock(r, i)
	head := fmt.Sprintf("081109 %02d%02d%02d %d INFO ", h, m, s, 20+r.IntN(400))
	blk := fmt.Sprintf("blk_%s%d", pick(r, "", "-"), r.Uint64()>>1)
	switch r.IntN(4) {
	case 0:
		return head + fmt.Sprintf("dfs.DataNode$PacketResponder: PacketResponder %d for block %s terminating", r.IntN(3), blk)
	case 1:
		return head + fmt.Sprintf("dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: 10.251.%d.%d:50010 is added to %s size %d", r.IntN(250), r.IntN(250), blk, 67108864)
	case 2:
		return head + fmt.Sprintf("dfs.DataNode$DataXceiver: Receiving block %s src: /10.250.%d.%d:%d dest: /10.250.%d.%d:50010", blk, r.IntN(250), r.IntN(250), 30000+r.IntN(30000), r.IntN(250), r.IntN(250))
	}
	return head + fmt.Sprintf("dfs.DataNode$PacketResponder: Received block %s of size %d from /10.250.%d.%d", blk, 67108864, r.IntN(20), r.IntN(250))
}

func sparkLine(r *rand.Rand, i int) string {
	h, m, s, _ := clock(r, i)
	head := fmt.Sprintf("17/06/09 %02d:%02d:%02d INFO ", h, m, s)
	switch r.IntN(4) {
	case 0:
		return head + fmt.Sprintf("executor.Executor: Finished task %d.0 in stage %d.0 (TID %d). %d bytes result sent to driver", r.IntN(200), i/200, i, 2000+r.IntN(300))
	case 1:
		return head + fmt.Sprintf("storage.BlockManager: Found block rdd_%d_%d locally", r.IntN(40), r.IntN(40))
	case 2:
		return head + fmt.Sprintf("python.PythonRunner: Times: total = %d, boot = %d, init = %d, finish = %d", r.IntN(90), -r.IntN(90), r.IntN(90), r.IntN(3))
	}
	return head + fmt.Sprintf("storage.MemoryStore: Block broadcast_%d stored as values in memory (estimated size %d.%d KB, free %d.%d KB)", i/30, r.IntN(300), r.IntN(10), r.IntN(300), r.IntN(10))
}

func sshdLine(r *rand.Rand, i int) string {
	h, m, s, _ := clock(r, i)
	head := fmt.Sprintf("Dec 10 %02d:%02d:%02d LabSZ sshd[%d]: ", h, m, s, 20000+i/3)
	switch r.IntN(4) {
	case 0:
		return head + fmt.Sprintf("Failed password for invalid user %s from %s port %d ssh2", name(r, 800), ip(r), 30000+r.IntN(30000))
	case 1:
		return head + fmt.Sprintf("pam_unix(sshd:auth): authentication failure; logname= uid=0 euid=0 tty=ssh ruser= rhost=%s  user=%s", ip(r), pick(r, "root", "ftp", "git"))
	case 2:
		return head + fmt.Sprintf("Received disconnect from %s: 11: Bye Bye [preauth]", ip(r))
	}
	return head + fmt.Sprintf("Invalid user %s from %s", name(r, 800), ip(r))
}

func kernelLine(r *rand.Rand, i int) string {
	head := fmt.Sprintf("[%5d.%06d] ", i/4, r.IntN(1e6))
	switch r.IntN(4) {
	case 0:
		return head + fmt.Sprintf("usb %d-%d: new high-speed USB device number %d using xhci_hcd", 1+r.IntN(3), 1+r.IntN(8), r.IntN(128))
	case 1:
		return head + fmt.Sprintf("EXT4-fs (sda%d): mounted filesystem with ordered data mode. Opts: (null)", 1+r.IntN(5))
	case 2:
		return head + fmt.Sprintf("pci 0000:%02x:%02x.%d: BAR %d: assigned [mem 0x%08x-0x%08x 64bit pref]", r.IntN(32), r.IntN(32), r.IntN(8), r.IntN(6), r.Uint32(), r.Uint32())
	}
	return head + fmt.Sprintf("Out of memory: Kill process %d (%s) score %d or sacrifice child", r.IntN(32768), pick(r, "java", "python", "mysqld", "nginx"), r.IntN(1000))
}

func sentenceLine(r *rand.Rand, _ int) string {
	w := make([]string, 5+r.IntN(10))
	for i := range w {
		w[i] = name(r, 3000)
	}
	return strings.Join(w, " ")
}

// column makes n rows of a corpus.
func column(line func(*rand.Rand, int) string, seed uint64, n int) (off []uint32, data []byte) {
	r := rand.New(rand.NewPCG(seed, 0))
	off = append(off, 0)
	for i := range n {
		data = append(data, line(r, i)...)
		off = append(off, uint32(len(data)))
	}
	return off, data
}
