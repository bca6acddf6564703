package loggen

// The templates of messages. A word in braces is a variable (see variable in
// text.go); everything else is written as it stands. Words that queries look for
// (error, connection refused, ...Exception) occur as programs write them, in
// several templates each, in lower case where analysers differ about case.

// line is one template with how often it comes and what it says of the request.
type line struct {
	weight int
	level  string // of structured logs
	text   string
}

// requestLines are written by structured applications about a request; the
// noun is the application's.
var requestLines = []line{
	{170, "info", "request completed"},
	{50, "info", "{noun} {id} accepted, {n} items"},
	{40, "info", "{method} {path} served in {ms} ms"},
	{14, "info", "{noun} {uuid} stored in shard {n}, total {amount} EUR"},
	{30, "info", "session of user {user} is valid, scope {word} {word}, policy {word}, {n} roles resolved from the token"},
	{30, "info", "lookup of {noun} {id} returned {n} rows from replica {host}"},
	{26, "info", "user {user} signed in from {ip} with {word} session"},
	{22, "info", "published event {noun}.{verb} to the topic of {word} offset {N} partition {n}"},
	{20, "info", "{noun} {id} moved from {word} to {word}"},
	{10, "info", "upstream {host}.{word}.svc:{port} answered {n} records in {ms} ms"},
	{14, "info", "finished {verb} for tenant {word}-{n}: {N} rows, {n} skipped"},
	{40, "debug", "cache miss for key {noun}:{id}"},
	{30, "debug", "cache hit for key {noun}:{id} for tenant {word}, entry is {n} s old, revalidation not needed"},
	{14, "debug", "sql: select * from {noun}s where id = {id} took {ms} ms"},
	{10, "debug", "acquired lock {noun}/{hex8} after {n} attempts"},
	{26, "warn", "slow {verb} of {noun} {id}: {ms} ms, budget is {n}00 ms"},
	{12, "warn", "retry {n} of 5 after {n}0 ms: connection reset by peer {ip}:{port}"},
	{10, "warn", "rate limit reached for user {user}: {n} requests in 10 s"},
	{8, "warn", "deprecated header X-{word}-{word} sent by {ip}"},
	{7, "warn", "circuit breaker of {word} half open after {n} failures"},
	{6, "warn", "could not parse {word} header, error ignored, default {n} used"},
	{9, "error", "{verb} of {noun} {id} failed: dial tcp {ip}:{port}: connect: connection refused"},
	{7, "error", "upstream {word} error: status 503 after {ms} ms"},
	{6, "error", "{noun} {uuid} rejected: {word}ValidationException: field {word} must not be null"},
	{5, "error", "unhandled error in handler {path}: context deadline exceeded"},
	{4, "error", "java.util.concurrent.TimeoutException waiting {n}000 ms for {noun} {id}"},
	{4, "error", "payment gateway {word} answered error {n}{n}: insufficient funds for user {user}"},
	{3, "error", "deadlock detected on table {noun}s, transaction {hex16} rolled back"},
}

// jobLines are written by structured applications outside of any request.
var jobLines = []line{
	{40, "info", "job {word}-{verb} run {N} finished: {N} processed, {n} failed"},
	{30, "info", "consumer group {noun}-{word} caught up at offset {N}, lag {n}"},
	{20, "info", "refreshed {N} {noun}s from {host}:{port} etag {hex16}"},
	{16, "info", "scheduler tick {N}: {n} due, {n} running, {n} waiting"},
	{20, "debug", "heap {n}{n} MiB of 512 MiB, {n} goroutines, gc pause {ms} ms"},
	{10, "warn", "queue {noun}-{word} is {pct}% full, {N} messages wait"},
	{6, "warn", "certificate of {host} expires in {n} days, serial {hex16}"},
	{5, "error", "job {word}-{verb} failed after {n} retries: {word}IOException: broken pipe"},
	{3, "error", "cannot reach broker {host}:{port}: connection refused, next try in {n}00 ms"},
}

// service is a program that writes free text.
type service struct {
	name  string
	lines []line
}

var services = []service{
	{"hdfs-datanode", []line{
		{40, "", "{logtime} INFO dfs.DataNode$PacketResponder: Received block {blk} of size {size} from /{ip}"},
		{36, "", "{logtime} INFO dfs.DataNode$DataXceiver: Receiving block {blk} src: /{ip}:{port} dest: /{ip}:50010"},
		{30, "", "{logtime} INFO dfs.DataNode$PacketResponder: PacketResponder {n} for block {blk} terminating"},
		{24, "", "{logtime} INFO dfs.FSNamesystem: BLOCK* NameSystem.addStoredBlock: blockMap updated: {ip}:50010 is added to {blk} size {size}"},
		{10, "", "{logtime} INFO dfs.DataBlockScanner: Verification succeeded for {blk}"},
		{6, "", "{logtime} INFO dfs.FSNamesystem: BLOCK* ask {ip}:50010 to delete {blk} {blk}"},
		{4, "", "{logtime} WARN dfs.DataNode$DataXceiver: {ip}:50010:Got exception while serving {blk} to /{ip}:"},
		{2, "", "{logtime} WARN dfs.DataNode: java.io.IOException: connection refused by /{ip}:{port} while moving {blk}"},
	}},
	{"zookeeper", []line{
		{30, "", "{logtime} - INFO  [NIOServerCxn.Factory:0.0.0.0/0.0.0.0:2181:NIOServerCnxn@{n}{n}] - Accepted socket connection from /{ip}:{port}"},
		{26, "", "{logtime} - INFO  [CommitProcessor:{n}:NIOServerCnxn@435] - Established session 0x{sid} with negotiated timeout {n}000 for client /{ip}:{port}"},
		{20, "", "{logtime} - WARN  [NIOServerCxn.Factory:0.0.0.0/0.0.0.0:2181:NIOServerCnxn@349] - caught end of stream exception, session 0x{sid}"},
		{16, "", "{logtime} - INFO  [/{ip}:3888:QuorumCnxManager$Listener@493] - Received connection request /{ip}:{port}"},
		{8, "", "{logtime} - WARN  [SendWorker:{N}:QuorumCnxManager$SendWorker@688] - Send worker leaving thread"},
		{6, "", "{logtime} - WARN  [WorkerSender[myid={n}]:QuorumCnxManager@368] - Cannot open channel to {n} at election address /{ip}:3888 java.net.ConnectException: connection refused"},
	}},
	{"spark-executor", []line{
		{40, "", "{sparktime} INFO executor.Executor: Finished task {n}.0 in stage {n}.0 (TID {N}). {size} bytes result sent to driver"},
		{34, "", "{sparktime} INFO storage.BlockManager: Found block rdd_{n}_{n} locally"},
		{26, "", "{sparktime} INFO storage.MemoryStore: Block broadcast_{n}_piece0 stored as bytes in memory (estimated size {n}.{n} KB, free {n}.{n} MB)"},
		{18, "", "{sparktime} INFO python.PythonRunner: Times: total = {n}, boot = -{n}, init = {n}, finish = {n}"},
		{12, "", "{sparktime} INFO rdd.HadoopRDD: Input split: hdfs://{ip}:9000/{word}/{word}/part-{N}.log:{size}+{size}"},
		{5, "", "{sparktime} WARN scheduler.TaskSetManager: Lost task {n}.{n} in stage {n}.0 (TID {N}, {host}): ExecutorLostFailure, error {n}"},
		{4, "", "{sparktime} ERR  executor.Executor: java.lang.IllegalArgumentException in task {n}.{n} in stage {n}.0 (TID {N}): {word} {word}"},
	}},
	{"bastion", []line{
		{30, "", "{systime} {host} sshd[{pid}]: Failed password for invalid user {name} from {ip} port {port} ssh2"},
		{26, "", "{systime} {host} sshd[{pid}]: Received disconnect from {ip}: 11: Bye Bye [preauth]"},
		{20, "", "{systime} {host} sshd[{pid}]: Accepted publickey for {name} from {ip} port {port} ssh2: RSA SHA256:{hex16}{hex16}"},
		{18, "", "{systime} {host} sshd[{pid}]: pam_unix(sshd:session): session opened for user {name} by (uid={n})"},
		{16, "", "{systime} {host} sshd[{pid}]: reverse mapping checking getaddrinfo for {ip}.{word}.example [{ip}] failed - POSSIBLE BREAK-IN ATTEMPT!"},
		{6, "", "{systime} {host} sshd[{pid}]: error: maximum authentication attempts exceeded for {name} from {ip} port {port} ssh2 [preauth]"},
		{4, "", "{systime} {host} sshd[{pid}]: fatal error in channel {n}: connection closed by {ip}"},
	}},
	{"node-agent", []line{
		{30, "", "kernel: [{uptime}] IPv4: martian source {ip} from {ip}, on dev eth{n}"},
		{24, "", "kernel: [{uptime}] veth{hex8}: port {n}(cali{hex8}) entered {word} state"},
		{20, "", "kernel: [{uptime}] audit: type=1400 audit({N}.{n}:{N}): apparmor=\"DENIED\" operation=\"{verb}\" pid={pid} comm=\"{word}\""},
		{12, "", "kernel: [{uptime}] oom-kill:constraint=CONSTRAINT_MEMCG,task={word},pid={pid},uid={n}"},
		{10, "", "kernel: [{uptime}] EXT4-fs (sd{letter}{n}): mounted filesystem with ordered data mode, opts {word}"},
		{6, "", "kernel: [{uptime}] blk_update_request: I/O error, dev sd{letter}, sector {size} op 0x{n}:(READ) flags 0x{hex8}"},
		{5, "", "kubelet[{pid}]: probe of {word}-{hex8} failed: Get http://{ip}:{port}/healthz: dial tcp {ip}:{port}: connect: connection refused"},
	}},
	{"kafka", []line{
		{30, "", "[{logtime}] INFO [Log partition={word}-{n}, dir=/var/lib/kafka] Rolled new log segment at offset {N} in {n} ms. (kafka.log.Log)"},
		{24, "", "[{logtime}] INFO [GroupCoordinator {n}]: Preparing to rebalance group {word}-{word} with old generation {N} (kafka.coordinator.group.GroupCoordinator)"},
		{20, "", "[{logtime}] INFO [ReplicaFetcher replicaId={n}, leaderId={n}, fetcherId=0] Truncating partition {word}-{n} to {N} (kafka.server.ReplicaFetcherThread)"},
		{10, "", "[{logtime}] WARN [RequestSendThread controllerId={n}] Controller {n}'s connection to broker {host}:9092 was unsuccessful (kafka.controller.RequestSendThread)"},
		{6, "", "[{logtime}] WARN [Producer clientId={word}-{n}] Got error produce response with correlation id {N} on topic-partition {word}-{n}, retrying ({n} attempts left)"},
		{4, "", "[{logtime}] FAIL [ReplicaManager broker={n}] NotLeaderForPartitionException for {word}-{n} at offset {N}"},
	}},
	{"postgres", []line{
		{30, "", "{pgtime} UTC [{pid}] LOG:  checkpoint complete: wrote {n} buffers ({pct}%); {n} WAL file(s) added, write={ms} s, sync={ms} s, distance={N} kB"},
		{26, "", "{pgtime} UTC [{pid}] {name}@{word} LOG:  duration: {ms} ms  statement: UPDATE {word}s SET {word} = $1 WHERE id = {N}"},
		{20, "", "{pgtime} UTC [{pid}] LOG:  connection received: host={ip} port={port}"},
		{16, "", "{pgtime} UTC [{pid}] {name}@{word} LOG:  connection authorized: user={name} database={word} SSL enabled"},
		{6, "", "{pgtime} UTC [{pid}] {name}@{word} NOTE:  duplicate key value violates unique constraint \"{word}_{word}_key\", error 23505"},
		{4, "", "{pgtime} UTC [{pid}] LOG:  could not connect to standby {host}: connection refused"},
	}},
	{"batch", []line{
		{20, "", "worker {n}: picked {word} {word} {word} chunk {hex8} ({size} bytes)"},
		{20, "", "worker {n}: {verb} {word} done, {N} lines, checksum {hex16}{hex16}"},
		{16, "", "progress {pct}% eta {n}m{n}s rate {n}.{n} MB/s"},
		{12, "", "{word} {word} {word} {word} {word} {word}"},
		{10, "", "{word}: {word} {word} is {word} since {N} ms, {word} {n}"},
		{4, "", "worker {n}: error while {verb} {word}: {word} {word} at line {N}"},
		{3, "", "Traceback (most recent call last): {word}.py line {n}{n}, {word}Exception: {word} {word}"},
	}},
}

// errorLines are what a web server writes to stderr.
var errorLines = []line{
	{10, "", "{nginxtime} [error] {n}#{n}: *{N} connect() failed (111: connection refused) while connecting to upstream, client: {ip}, server: _, request: \"{method} {path} HTTP/1.1\""},
	{10, "", "{nginxtime} [warn] {n}#{n}: *{N} a client request body is buffered to a temporary file /var/cache/nginx/client_temp/{N}"},
}

var agents = []string{
	"Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{n2}.0.{n4}.{n} Safari/537.36",
	"Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/1{n1}.{n1} Safari/605.1.15",
	"Mozilla/5.0 (X11; Linux x86_64; rv:1{n2}.0) Gecko/20100101 Firefox/1{n2}.0",
	"Mozilla/5.0 (iPhone; CPU iPhone OS 17_{n1} like Mac OS X) AppleWebKit/605.1.15 Mobile/15E{n}",
	"kube-probe/1.3{n1}",
	"Go-http-client/2.0",
	"curl/8.{n1}.0",
	"Mozilla/5.0 (compatible; Googlebot/2.1; +http://www.google.com/bot.html)",
	"okhttp/4.1{n1}.0",
	"python-requests/2.3{n1}.0",
	"Prometheus/3.{n1}.1",
	"Mozilla/5.0 (Linux; Android 14; Pixel {n1}) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/1{n2}.0.0.0 Mobile Safari/537.36",
}

// agentWeights go with agents.
var agentWeights = []int{30, 14, 10, 12, 10, 8, 3, 4, 6, 3, 2, 12}

// fixedPaths are what everybody asks for; the others carry ids.
var fixedPaths = []string{
	"/healthz", "/readyz", "/metrics", "/", "/favicon.ico", "/api/v1/session", "/api/v1/cart", "/login", "/static/app.js",
	"/static/app.css", "/api/v1/search", "/api/v1/recommendations", "/logout", "/api/v2/prices", "/api/v2/stock", "/robots.txt",
}

var idPaths = []string{
	"/api/v1/{noun}s/{id}", "/api/v1/{noun}s/{id}/items/{n}", "/{noun}/{word}-{word}-{n}", "/api/v1/{noun}s?page={n}&sort={word}",
	"/api/v1/users/{user}/profile", "/static/img/{hex8}.webp", "/api/v2/{noun}s/{uuid}",
}

var methods = []string{"GET", "GET", "GET", "GET", "GET", "GET", "POST", "POST", "PUT", "DELETE"}

var teams = []string{
	"payments", "checkout", "search", "catalog", "orders", "identity", "billing", "shipping", "pricing", "inventory", "media", "reviews",
	"fraud", "ledger", "mailer", "reports", "insights", "loyalty", "partners", "support", "content", "routing", "booking", "devices", "platform",
}

var environments = []string{"prod", "dev"}

var nouns = []string{
	"order", "invoice", "cart", "basket", "shipment", "account", "token", "product", "voucher", "ticket", "review", "image", "price", "report",
	"session", "message", "device", "booking", "route", "contract", "refund", "payout", "label", "document",
}

var verbs = []string{
	"created", "updated", "imported", "synced", "exported", "indexed", "validated", "archived", "charged", "reserved", "merged", "resolved",
	"open", "unlink", "rename", "replayed",
}

var names = []string{
	"root", "admin", "anna", "bob", "postgres", "oracle", "test", "git", "deploy", "jenkins", "ubuntu", "carol", "dmitri", "eve", "fatima", "guest",
	"ftpuser", "hadoop", "ivan", "jose", "kim", "lars", "maria", "nagios", "olga", "pi", "support", "svc-backup", "user1", "www-data",
}

// words is what free words are taken from, the frequent ones first.
var words = []string{
	"default", "primary", "main", "forwarding", "blocking", "learning", "active", "pending", "stale", "retry", "batch", "stream", "index", "shard",
	"replica", "leader", "follower", "cursor", "buffer", "window", "bucket", "region", "zone", "vendor", "partner", "gateway", "proxy", "router",
	"cluster", "volume", "snapshot", "journal", "ledger", "schema", "column", "partition", "segment", "offset", "topic", "broker", "signal",
	"handler", "listener", "observer", "monitor", "planner", "resolver", "locator", "mapper", "reducer", "splitter", "joiner", "sampler",
	"throttle", "quota", "budget", "limit", "margin", "balance", "credit", "debit", "refund", "invoice", "receipt", "contract", "customer",
	"visitor", "member", "guest", "operator", "manager", "auditor", "auto", "manual", "legacy", "modern", "blue", "green", "canary", "stable",
	"nightly", "weekly", "monthly", "annual", "amber", "birch", "cedar", "delta", "ember", "fjord", "grove", "harbor", "island", "juniper",
	"kestrel", "lagoon", "meadow", "nectar", "onyx", "prairie", "quartz", "raven", "summit", "tundra", "umber", "violet", "willow", "yonder", "zephyr",
}
