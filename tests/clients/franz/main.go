// franz-go as a test client. The contract is that of ../python/confluent_client.py: one JSON command as the
// argument, records in and out as JSON lines. Commands: version, produce, read, member.
package main

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"runtime/debug"
	"sort"
	"sync"
	"time"

	"github.com/twmb/franz-go/pkg/kgo"
)

type command struct {
	Do         string  `json:"do"`
	Bootstrap  string  `json:"bootstrap"`
	Topic      string  `json:"topic"`
	Codec      string  `json:"codec"`
	Group      string  `json:"group"`
	Partitions int     `json:"partitions"`
	Ends       []int64 `json:"ends"`
}

type record struct {
	Event         string       `json:"event,omitempty"`
	Partition     int32        `json:"partition"`
	Offset        int64        `json:"offset"`
	Timestamp     int64        `json:"timestamp"`
	TimestampType string       `json:"timestamp_type,omitempty"`
	Key           *string      `json:"key"`
	Value         *string      `json:"value"`
	Headers       [][2]*string `json:"headers"`
}

var out sync.Mutex

func say(line any) {
	out.Lock()
	defer out.Unlock()
	text, err := json.Marshal(line)
	check(err)
	fmt.Println(string(text))
}

func check(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func text(data []byte) *string {
	if data == nil {
		return nil
	}
	s := string(data)
	return &s
}

func data(s *string) []byte {
	if s == nil {
		return nil
	}
	return []byte(*s)
}

func show(event string, r *kgo.Record) record {
	shown := record{event, r.Partition, r.Offset, r.Timestamp.UnixMilli(), "create", text(r.Key), text(r.Value), [][2]*string{}}
	if r.Attrs.TimestampType() == 1 {
		shown.TimestampType = "append"
	}
	for _, h := range r.Headers {
		key := h.Key
		shown.Headers = append(shown.Headers, [2]*string{&key, text(h.Value)})
	}
	return shown
}

func version() {
	info, _ := debug.ReadBuildInfo()
	for _, dep := range info.Deps {
		if dep.Path == "github.com/twmb/franz-go" {
			say(map[string]string{"version": dep.Version})
		}
	}
}

func codec(name string) kgo.CompressionCodec {
	switch name {
	case "gzip":
		return kgo.GzipCompression()
	case "snappy":
		return kgo.SnappyCompression()
	case "lz4":
		return kgo.Lz4Compression()
	case "zstd":
		return kgo.ZstdCompression()
	}
	return kgo.NoCompression()
}

func produce(c command) {
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Bootstrap),
		kgo.AllowAutoTopicCreation(),
		kgo.RecordPartitioner(kgo.ManualPartitioner()),
		kgo.ProducerBatchCompression(codec(c.Codec)),
		kgo.ProducerLinger(20*time.Millisecond),
	)
	check(err)
	var records []*kgo.Record
	lines := bufio.NewScanner(os.Stdin)
	lines.Buffer(nil, 4<<20)
	for lines.Scan() {
		var in record
		check(json.Unmarshal(lines.Bytes(), &in))
		r := &kgo.Record{Topic: c.Topic, Partition: in.Partition, Key: data(in.Key), Value: data(in.Value), Timestamp: time.UnixMilli(in.Timestamp)}
		for _, h := range in.Headers {
			r.Headers = append(r.Headers, kgo.RecordHeader{Key: *h[0], Value: data(h[1])})
		}
		records = append(records, r)
	}
	// RecordDeliveryTimeout would count from the timestamp of the record, which here lies in the past.
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	places, failures := [][2]int64{}, []string{}
	for i, result := range client.ProduceSync(ctx, records...) {
		if result.Err != nil {
			failures = append(failures, fmt.Sprintf("record %d: %v", i, result.Err))
		}
	}
	for _, r := range records {
		places = append(places, [2]int64{int64(r.Partition), r.Offset})
	}
	client.Close()
	say(map[string]any{"places": places, "failures": failures, "left": 0})
}

// read goes from offset 0 to the ends given in the command.
func read(c command) {
	from := map[int32]kgo.Offset{}
	wanted := int64(0)
	for p, end := range c.Ends {
		from[int32(p)] = kgo.NewOffset().At(0)
		wanted += end
	}
	client, err := kgo.NewClient(kgo.SeedBrokers(c.Bootstrap), kgo.ConsumePartitions(map[string]map[int32]kgo.Offset{c.Topic: from}))
	check(err)
	ctx, cancel := context.WithTimeout(context.Background(), 30*time.Second)
	defer cancel()
	for wanted > 0 {
		fetches := client.PollFetches(ctx)
		check(fetches.Err())
		fetches.EachRecord(func(r *kgo.Record) {
			say(show("", r))
			wanted--
		})
	}
	client.Close()
}

// member prints its whole assignment after each change, then the records; it leaves when stdin ends.
func member(c command) {
	var mu sync.Mutex
	mine := map[int32]bool{}
	change := func(partitions map[string][]int32, has bool) {
		mu.Lock()
		defer mu.Unlock()
		now := []int{}
		for _, p := range partitions[c.Topic] {
			mine[p] = has
		}
		for p, has := range mine {
			if has {
				now = append(now, int(p))
			}
		}
		sort.Ints(now)
		say(map[string]any{"event": "assigned", "partitions": now})
	}
	client, err := kgo.NewClient(
		kgo.SeedBrokers(c.Bootstrap),
		kgo.ConsumerGroup(c.Group),
		kgo.ConsumeTopics(c.Topic),
		kgo.ConsumeResetOffset(kgo.NewOffset().AtStart()),
		kgo.SessionTimeout(6*time.Second),
		kgo.HeartbeatInterval(500*time.Millisecond),
		kgo.AutoCommitInterval(time.Second),
		kgo.OnPartitionsAssigned(func(_ context.Context, _ *kgo.Client, a map[string][]int32) { change(a, true) }),
		kgo.OnPartitionsRevoked(func(_ context.Context, _ *kgo.Client, a map[string][]int32) { change(a, false) }),
		kgo.OnPartitionsLost(func(_ context.Context, _ *kgo.Client, a map[string][]int32) { change(a, false) }),
	)
	check(err)
	ctx, cancel := context.WithCancel(context.Background())
	go func() {
		_, _ = io.Copy(io.Discard, os.Stdin)
		cancel()
	}()
	for ctx.Err() == nil {
		fetches := client.PollFetches(ctx)
		fetches.EachRecord(func(r *kgo.Record) { say(show("record", r)) })
	}
	check(client.CommitUncommittedOffsets(context.Background()))
	client.Close()
	say(map[string]any{"event": "closed"})
}

func main() {
	var c command
	check(json.Unmarshal([]byte(os.Args[1]), &c))
	switch c.Do {
	case "version":
		version()
	case "produce":
		produce(c)
	case "read":
		read(c)
	case "member":
		member(c)
	default:
		check(fmt.Errorf("unknown command %q", c.Do))
	}
}
