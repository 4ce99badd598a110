package main

import (
	"bytes"
	"cmp"
	"encoding/binary"
	"encoding/hex"
	"time"

	"github.com/google/uuid"
	"github.com/hamba/avro/v2"
)

// header goes before each datum: C3 01, then the fingerprint of audit_event.v1.avsc. Do not take
// the fingerprint from hamba/avro: it computes another one than the Avro specification.
var header, _ = hex.DecodeString("c30101125a43796da5a0")

// encoder writes each array and map as one block without its size in bytes.
var encoder = avro.Config{BlockLength: 1 << 30, DisableBlockSizeHeader: true}.Freeze()

// Event is one audit event.
type Event struct {
	EventID      string            `json:"event_id" avro:"event_id"`
	Event        string            `json:"event" avro:"event"`
	OccurredAt   time.Time         `json:"occurred_at" avro:"occurred_at"`
	OrgID        string            `json:"org_id" avro:"org_id"`
	Actor        Person            `json:"actor" avro:"actor"`
	Impersonator *Person           `json:"impersonator" avro:"impersonator"`
	Targets      []Person          `json:"targets" avro:"targets"`
	Changes      []Change          `json:"changes" avro:"changes"`
	Context      Context           `json:"context" avro:"context"`
	Outcome      string            `json:"outcome" avro:"outcome"`
	Metadata     map[string]string `json:"metadata" avro:"metadata"`
}

// Person is an actor, an impersonator or a target.
type Person struct {
	Type  string `json:"type" avro:"type"`
	ID    string `json:"id" avro:"id"`
	Email string `json:"email" avro:"email"`
	Name  string `json:"name" avro:"name"`
}

// Change is one changed field. Nil means that there was no value; "" is a value.
type Change struct {
	Field string  `json:"field" avro:"field"`
	Old   *string `json:"old" avro:"old"`
	New   *string `json:"new" avro:"new"`
}

// Context says where the event came from.
type Context struct {
	IP        string `json:"ip" avro:"ip"`
	UserAgent string `json:"user_agent" avro:"user_agent"`
	RequestID string `json:"request_id" avro:"request_id"`
	SessionID string `json:"session_id" avro:"session_id"`
	Service   string `json:"service" avro:"service"`
	TraceID   string `json:"trace_id" avro:"trace_id"`
}

// complete gives the event an id, a time and an outcome where it has none. Keep id and time for a
// retry.
func (e *Event) complete() error {
	if e.EventID == "" {
		id, err := uuid.NewV7()
		if err != nil {
			return err
		}
		e.EventID = id.String()
	}
	if e.OccurredAt.IsZero() {
		id, err := uuid.Parse(e.EventID)
		if err != nil {
			return err
		}
		// The first 48 bits of a UUIDv7 are its time in milliseconds.
		e.OccurredAt = time.UnixMilli(int64(binary.BigEndian.Uint64(id[:8]) >> 16))
	}
	if e.Outcome == "" {
		e.Outcome = "success"
	}
	return nil
}

// encode returns the value of the Kafka record: the header, then the event in Avro's binary
// encoding.
func encode(schema avro.Schema, event *Event) ([]byte, error) {
	datum, err := encoder.Marshal(schema, event)
	return append(bytes.Clone(header), datum...), err
}

// headers returns the headers of the Kafka record: the CloudEvents Kafka binding.
func headers(event *Event) map[string]string {
	return map[string]string{
		"ce_specversion": "1.0",
		"ce_id":          event.EventID,
		"ce_type":        event.Event,
		"ce_source":      cmp.Or(event.Context.Service, "orgtrail"),
		"ce_time":        event.OccurredAt.UTC().Format("2006-01-02T15:04:05.000Z07:00"),
		"content-type":   "application/avro",
	}
}
