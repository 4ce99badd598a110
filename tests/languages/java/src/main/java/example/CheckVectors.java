package example;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.JsonNode;
import java.io.IOException;
import java.nio.ByteBuffer;
import java.nio.ByteOrder;
import java.time.OffsetDateTime;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.HexFormat;
import java.util.List;
import java.util.Map;
import org.apache.avro.Schema;
import org.apache.avro.SchemaNormalization;
import org.apache.kafka.common.utils.Utils;

/** Compares what this program would send with the published test vectors. */
final class CheckVectors {
  private CheckVectors() {}

  /** Prints the name of each vector that differs; the exit code. */
  static int run(Schema schema, JsonNode file) throws IOException {
    List<String> differing = new ArrayList<>();
    if (!HexFormat.of().formatHex(AuditEvent.HEADER).equals(file.get("header_hex").textValue())
        || !Arrays.equals(AuditEvent.HEADER, headerOf(schema))) {
      differing.add("header_hex");
    }
    for (JsonNode vector : file.get("vectors")) {
      JsonNode event = vector.get("event");
      String hex = HexFormat.of().formatHex(AuditEvent.encode(schema, event));
      if (!hex.equals(vector.get("value_hex").textValue())
          || !sameHeaders(AuditEvent.headers(event), vector.get("headers"))
          || !samePartitions(vector)) {
        differing.add(vector.get("name").textValue());
      }
    }
    differing.forEach(name -> System.err.println("differs: " + name));
    System.out.println(file.get("vectors").size() + " vectors, " + differing.size() + " differ");
    return differing.isEmpty() ? 0 : 1;
  }

  /** Apache Avro for Java computes the fingerprint as the specification says. */
  private static byte[] headerOf(Schema schema) {
    long fingerprint = SchemaNormalization.parsingFingerprint64(schema);
    return ByteBuffer.allocate(10)
        .order(ByteOrder.LITTLE_ENDIAN)
        .put((byte) 0xC3)
        .put((byte) 0x01)
        .putLong(fingerprint)
        .array();
  }

  private static boolean sameHeaders(Map<String, String> ours, JsonNode expected) {
    return ours.size() == expected.size()
        && ours.entrySet().stream()
            .allMatch(
                header -> {
                  String value = expected.path(header.getKey()).asText();
                  // RFC 3339 allows "Z" and "+00:00".
                  return header.getKey().equals("ce_time")
                      ? OffsetDateTime.parse(value).isEqual(OffsetDateTime.parse(header.getValue()))
                      : value.equals(header.getValue());
                });
  }

  private static boolean samePartitions(JsonNode vector) {
    // What the default partitioner does with a key.
    int hash = Utils.toPositive(Utils.murmur2(vector.get("key").textValue().getBytes(UTF_8)));
    return vector.get("partition_of").properties().stream()
        .allMatch(e -> e.getValue().intValue() == hash % Integer.parseInt(e.getKey()));
  }
}
