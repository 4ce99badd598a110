// Emit sends the events on standard input, one JSON object a line, and prints id and partition.
//
//	emit SCHEMA.avsc < events.jsonl
//	emit SCHEMA.avsc VECTORS.json    # compare with the published test vectors instead
package main

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log"
	"os"
	"strings"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

func main() {
	log.SetFlags(0)
	if len(os.Args) < 2 {
		log.Fatal("usage: emit SCHEMA.avsc [VECTORS.json]")
	}
	schema, err := avro.ParseFiles(os.Args[1])
	if err == nil && len(os.Args) > 2 {
		err = checkVectors(schema, os.Args[2])
	} else if err == nil {
		err = send(schema, os.Stdin)
	}
	if err != nil {
		log.Fatal(err)
	}
}

func send(schema avro.Schema, in io.Reader) error {
	brokers := cmp.Or(os.Getenv("KAFKA_BROKERS"), "127.0.0.1:9092")
	client, err := kgo.NewClient(
		kgo.SeedBrokers(strings.Split(brokers, ",")...),
		kgo.DefaultProduceTopic(cmp.Or(os.Getenv("AUDIT_TOPIC"), "audit.events.v1")),
		// Idempotence is franz-go's default.
		kgo.RequiredAcks(kgo.AllISRAcks()),
		// Without a hasher of its own it hashes the key as Java does, with murmur2.
		kgo.RecordPartitioner(kgo.StickyKeyPartitioner(nil)),
	)
	if err != nil {
		return err
	}
	defer client.Close()

	var records []*kgo.Record
	for lines := json.NewDecoder(in); ; {
		var event Event
		if err := lines.Decode(&event); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			return err
		}
		if err := event.complete(); err != nil {
			return err
		}
		record, err := toRecord(schema, &event)
		if err != nil {
			return err
		}
		records = append(records, record)
	}
	// An error means that Kafka did not acknowledge an event: send it again, same id, same time.
	results := client.ProduceSync(context.Background(), records...)
	for _, result := range results {
		if result.Err == nil {
			fmt.Println(idOf(result.Record), result.Record.Partition)
		}
	}
	return results.FirstErr()
}

func toRecord(schema avro.Schema, event *Event) (*kgo.Record, error) {
	value, err := encode(schema, event)
	record := &kgo.Record{Key: []byte(event.OrgID), Value: value}
	for name, text := range headers(event) {
		record.Headers = append(record.Headers, kgo.RecordHeader{Key: name, Value: []byte(text)})
	}
	return record, err
}

func idOf(record *kgo.Record) string {
	for _, header := range record.Headers {
		if header.Key == "ce_id" {
			return string(header.Value)
		}
	}
	return ""
}
