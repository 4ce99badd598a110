package example;

import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.node.ObjectNode;
import com.fasterxml.uuid.Generators;
import com.fasterxml.uuid.impl.TimeBasedEpochGenerator;
import java.io.ByteArrayOutputStream;
import java.io.IOException;
import java.time.Instant;
import java.util.ArrayList;
import java.util.HexFormat;
import java.util.LinkedHashMap;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.avro.Schema;
import org.apache.avro.generic.GenericDatumWriter;
import org.apache.avro.generic.GenericRecordBuilder;
import org.apache.avro.io.BinaryEncoder;
import org.apache.avro.io.EncoderFactory;

/** From an event in JSON to the bytes and headers of its Kafka record. */
final class AuditEvent {
  /** Goes before each datum: C3 01, then the fingerprint of audit_event.v1.avsc. */
  static final byte[] HEADER = HexFormat.of().parseHex("c30101125a43796da5a0");

  private static final TimeBasedEpochGenerator IDS = Generators.timeBasedEpochGenerator();

  private AuditEvent() {}

  /** Gives the event an id and a time where it has none. Keep both for a retry. */
  static void complete(ObjectNode event) {
    if (!event.hasNonNull("event_id")) {
      event.put("event_id", IDS.generate().toString());
    }
    if (event.path("occurred_at").isTextual()) {
      event.put("occurred_at", Instant.parse(event.get("occurred_at").textValue()).toEpochMilli());
    } else if (!event.hasNonNull("occurred_at")) {
      // The first 48 bits of a UUIDv7 are its time in milliseconds.
      UUID id = UUID.fromString(event.get("event_id").textValue());
      event.put("occurred_at", id.getMostSignificantBits() >>> 16);
    }
  }

  /** The value of the Kafka record: the header, then the event in Avro's binary encoding. */
  static byte[] encode(Schema schema, JsonNode event) throws IOException {
    ByteArrayOutputStream out = new ByteArrayOutputStream();
    out.write(HEADER);
    BinaryEncoder encoder = EncoderFactory.get().binaryEncoder(out, null);
    new GenericDatumWriter<>(schema).write(toAvro(schema, event), encoder);
    encoder.flush();
    return out.toByteArray();
  }

  /** The headers of the Kafka record: the CloudEvents Kafka binding. */
  static Map<String, String> headers(JsonNode event) {
    String service = event.path("context").path("service").asText("");
    Map<String, String> headers = new LinkedHashMap<>();
    headers.put("ce_specversion", "1.0");
    headers.put("ce_id", event.get("event_id").textValue());
    headers.put("ce_type", event.get("event").textValue());
    headers.put("ce_source", service.isEmpty() ? "orgtrail" : service);
    headers.put("ce_time", Instant.ofEpochMilli(event.get("occurred_at").longValue()).toString());
    headers.put("content-type", "application/avro");
    return headers;
  }

  /** The JSON value as Avro's generic classes; a field that is not there has its default. */
  private static Object toAvro(Schema schema, JsonNode json) {
    return switch (schema.getType()) {
      case RECORD -> {
        GenericRecordBuilder record = new GenericRecordBuilder(schema);
        for (Schema.Field field : schema.getFields()) {
          if (json.has(field.name())) {
            record.set(field, toAvro(field.schema(), json.get(field.name())));
          }
        }
        yield record.build();
      }
      case ARRAY -> {
        List<Object> items = new ArrayList<>();
        json.forEach(item -> items.add(toAvro(schema.getElementType(), item)));
        yield items;
      }
      case MAP -> {
        Map<String, Object> entries = new LinkedHashMap<>();
        json.properties()
            .forEach(e -> entries.put(e.getKey(), toAvro(schema.getValueType(), e.getValue())));
        yield entries;
      }
      // Every union of the schema is null and one other type.
      case UNION -> json.isNull() ? null : toAvro(schema.getTypes().get(1), json);
      case LONG -> json.longValue();
      default -> json.textValue();
    };
  }
}
