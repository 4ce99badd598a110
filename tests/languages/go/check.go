package main

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"log"
	"os"
	"reflect"
	"strconv"
	"time"

	"github.com/hamba/avro/v2"
	"github.com/twmb/franz-go/pkg/kgo"
)

type vectorFile struct {
	HeaderHex string `json:"header_hex"`
	Vectors   []vector
}

type vector struct {
	Name  string
	Event struct {
		Event
		// The form of the Avro schema has milliseconds.
		OccurredAt int64 `json:"occurred_at"`
	}
	Key         string
	PartitionOf map[string]int `json:"partition_of"`
	Headers     map[string]string
	ValueHex    string `json:"value_hex"`
}

// checkVectors prints the name of each vector that this program would send otherwise.
func checkVectors(schema avro.Schema, path string) error {
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var file vectorFile
	if err := json.Unmarshal(text, &file); err != nil {
		return err
	}
	var differing []string
	if hex.EncodeToString(header) != file.HeaderHex {
		differing = append(differing, "header_hex")
	}
	for _, v := range file.Vectors {
		event := v.Event.Event
		event.OccurredAt = time.UnixMilli(v.Event.OccurredAt).UTC()
		if !sameValue(schema, &event, v.ValueHex) || !sameHeaders(&event, v.Headers) ||
			!samePartitions(v) {
			differing = append(differing, v.Name)
		}
	}
	for _, name := range differing {
		log.Println("differs:", name)
	}
	fmt.Printf("%d vectors, %d differ\n", len(file.Vectors), len(differing))
	if len(differing) > 0 {
		os.Exit(1)
	}
	return nil
}

func sameValue(schema avro.Schema, event *Event, expected string) bool {
	value, err := encode(schema, event)
	if err != nil || len(event.Metadata) < 2 {
		return err == nil && hex.EncodeToString(value) == expected
	}
	// Go's maps have no order: the length must be equal, and the event when it is read back.
	var read Event
	err = avro.Unmarshal(schema, value[len(header):], &read)
	return err == nil && len(value)*2 == len(expected) && reflect.DeepEqual(&read, event)
}

func sameHeaders(event *Event, expected map[string]string) bool {
	ours := headers(event)
	// RFC 3339 allows "Z" and "+00:00".
	a, errA := time.Parse(time.RFC3339, ours["ce_time"])
	b, errB := time.Parse(time.RFC3339, expected["ce_time"])
	ours["ce_time"] = expected["ce_time"]
	return errA == nil && errB == nil && a.Equal(b) && reflect.DeepEqual(ours, expected)
}

func samePartitions(v vector) bool {
	partitioner := kgo.StickyKeyPartitioner(nil).ForTopic("")
	for count, expected := range v.PartitionOf {
		n, err := strconv.Atoi(count)
		if err != nil || partitioner.Partition(&kgo.Record{Key: []byte(v.Key)}, n) != expected {
			return false
		}
	}
	return true
}
