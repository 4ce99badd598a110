package example;

import static java.nio.charset.StandardCharsets.UTF_8;

import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.node.ObjectNode;
import java.io.BufferedReader;
import java.io.File;
import java.io.IOException;
import java.io.InputStreamReader;
import java.util.ArrayList;
import java.util.List;
import java.util.Map;
import java.util.concurrent.ExecutionException;
import java.util.concurrent.Future;
import org.apache.avro.Schema;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.clients.producer.RecordMetadata;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.StringSerializer;

/** Sends the events on standard input, one JSON object a line, and prints id and partition. */
public final class Emit {
  private static final ObjectMapper JSON = new ObjectMapper();

  private Emit() {}

  /** Usage: {@code Emit SCHEMA.avsc < events.jsonl}, or {@code Emit SCHEMA.avsc VECTORS.json}. */
  public static void main(String[] args) throws Exception {
    if (args.length == 0) {
      System.err.println("usage: Emit SCHEMA.avsc [VECTORS.json]");
      System.exit(2);
    }
    Schema schema = new Schema.Parser().parse(new File(args[0]));
    if (args.length > 1) {
      System.exit(CheckVectors.run(schema, JSON.readTree(new File(args[1]))));
    }
    send(schema);
  }

  private static void send(Schema schema)
      throws IOException, InterruptedException, ExecutionException {
    String brokers = System.getenv().getOrDefault("KAFKA_BROKERS", "127.0.0.1:9092");
    String topic = System.getenv().getOrDefault("AUDIT_TOPIC", "audit.events.v1");
    Map<String, Object> settings =
        Map.of(
            ProducerConfig.BOOTSTRAP_SERVERS_CONFIG, brokers,
            ProducerConfig.ACKS_CONFIG, "all",
            ProducerConfig.ENABLE_IDEMPOTENCE_CONFIG, true);
    // No partitioner is set: the default hashes the key with murmur2, which is what we want.
    try (var in = new BufferedReader(new InputStreamReader(System.in, UTF_8));
        var producer =
            new KafkaProducer<>(settings, new StringSerializer(), new ByteArraySerializer())) {
      List<String> ids = new ArrayList<>();
      List<Future<RecordMetadata>> sent = new ArrayList<>();
      for (String line; (line = in.readLine()) != null; ) {
        ObjectNode event = (ObjectNode) JSON.readTree(line);
        AuditEvent.complete(event);
        String key = event.get("org_id").textValue();
        var record = new ProducerRecord<>(topic, key, AuditEvent.encode(schema, event));
        AuditEvent.headers(event).forEach((k, v) -> record.headers().add(k, v.getBytes(UTF_8)));
        ids.add(event.get("event_id").textValue());
        sent.add(producer.send(record));
      }
      for (int i = 0; i < sent.size(); i++) {
        // Fails when Kafka did not acknowledge the event: send it again with the same id and time.
        System.out.println(ids.get(i) + " " + sent.get(i).get().partition());
      }
    }
  }
}
