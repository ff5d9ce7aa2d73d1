import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import java.io.ByteArrayInputStream;
import java.io.ByteArrayOutputStream;
import java.io.DataInputStream;
import java.io.DataOutputStream;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.time.Duration;
import java.util.HashMap;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.atomic.LongAdder;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.ListOffsetsOptions;
import org.apache.kafka.clients.admin.OffsetSpec;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.consumer.OffsetAndMetadata;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.IsolationLevel;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KTable;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.kstream.Windowed;
import org.apache.kafka.streams.state.KeyValueStore;
import org.apache.kafka.streams.state.WindowStore;

/**
 * Kafka Streams doing the meter's sums, exactly once: nano-dollars of each service and each team in 10 s of event
 * time.
 *
 * <p>Services are windows over the messages as they are keyed, without a repartition. Teams are a table over the table
 * of services, so that what is repartitioned is what the cache lets through at a commit, not every message; that took
 * less CPU than a repartition of the messages.
 */
public final class KafkaStreamsPeer {
    static final Duration BUCKET = Duration.ofSeconds(10);
    static final Duration GRACE = Duration.ofSeconds(60);
    static final long CACHE_BYTES = 64L << 20;

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Labels(String team, String namespace, String service) {}

    @JsonIgnoreProperties(ignoreUnknown = true)
    record Usage(long start, String cost_usd, Labels labels) {}

    /** What a service came to in a bucket, and whose it is. */
    record Sum(long nusd, String service, String team) {}

    static final LongAdder seen = new LongAdder();

    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0], usage = arguments[1], sums = arguments[2], group = arguments[3];
        long messages = Long.parseLong(arguments[4]);
        KafkaStreams streams = new KafkaStreams(topology(usage, sums), config(bootstrap, group, arguments[5]));
        streams.setUncaughtExceptionHandler(error -> {
            error.printStackTrace();
            Runtime.getRuntime().halt(1);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", bootstrap))) {
            while (seen.sum() < messages || !drained(admin, group, usage)) {
                System.out.println("count " + seen.sum());
                Thread.sleep(50);
            }
        }
        System.out.println("count " + seen.sum());
        System.out.println("done");
        streams.close();
    }

    static Topology topology(String usage, String sums) {
        StreamsBuilder builder = new StreamsBuilder();
        Consumed<String, Usage> consumed = Consumed.with(Serdes.String(), new Decoded())
            .withTimestampExtractor((record, time) -> ((Usage) record.value()).start());
        KTable<Windowed<String>, Sum> services = builder.stream(usage, consumed)
            .groupByKey()
            .windowedBy(TimeWindows.ofSizeAndGrace(BUCKET, GRACE))
            .aggregate(
                () -> new Sum(0, "", ""),
                (key, one, sum) -> new Sum(
                    sum.nusd + nusd(one.cost_usd), one.labels.namespace + "/" + one.labels.service, one.labels.team),
                Materialized.<String, Sum, WindowStore<Bytes, byte[]>>as("services")
                    .withKeySerde(Serdes.String()).withValueSerde(new Packed())
                    .withRetention(Duration.ofSeconds(300)));
        KTable<String, Long> teams = services
            .groupBy(
                (window, sum) -> KeyValue.pair(sum.team + "|" + window.window().start(), sum.nusd),
                Grouped.with(Serdes.String(), Serdes.Long()))
            .aggregate(
                () -> 0L, (key, nusd, sum) -> sum + nusd, (key, nusd, sum) -> sum - nusd,
                Materialized.<String, Long, KeyValueStore<Bytes, byte[]>>as("teams")
                    .withKeySerde(Serdes.String()).withValueSerde(Serdes.Long()));
        services.toStream()
            .map((window, sum) -> row("service=" + sum.service, window.window().start(), sum.nusd))
            .to(sums, Produced.with(Serdes.String(), Serdes.String()));
        teams.toStream()
            .map((key, nusd) -> {
                int bar = key.indexOf('|');
                return row("team=" + key.substring(0, bar), Long.parseLong(key.substring(bar + 1)), nusd);
            })
            .to(sums, Produced.with(Serdes.String(), Serdes.String()));
        Properties optimised = new Properties();
        optimised.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        return builder.build(optimised);
    }

    static KeyValue<String, String> row(String scope, long bucket, long nusd) {
        String value = "{\"scope\":\"" + scope + "\",\"bucket\":" + bucket + ",\"nusd\":" + nusd + "}";
        return KeyValue.pair(scope + "|" + bucket, value);
    }

    /** Exact, and cheaper than a BigDecimal, for a number written with nine decimals. */
    static long nusd(String costUsd) {
        int point = costUsd.length() - 10;
        return Long.parseLong(costUsd, 0, point, 10) * 1_000_000_000L
            + Long.parseLong(costUsd, point + 1, costUsd.length(), 10);
    }

    static Properties config(String bootstrap, String group, String folder) {
        Properties config = new Properties();
        config.put(StreamsConfig.APPLICATION_ID_CONFIG, group);
        config.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, bootstrap);
        config.put(StreamsConfig.STATE_DIR_CONFIG, folder);
        config.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.EXACTLY_ONCE_V2);
        config.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 1000);
        config.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, Runtime.getRuntime().availableProcessors());
        config.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, CACHE_BYTES);
        config.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        config.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG), "earliest");
        config.put(StreamsConfig.consumerPrefix(ConsumerConfig.MAX_POLL_RECORDS_CONFIG), 5000);
        config.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        return config;
    }

    /** Whether all of `usage` and of what was repartitioned is committed, and with it what came of it. */
    static boolean drained(Admin admin, String group, String usage) throws Exception {
        Map<TopicPartition, OffsetAndMetadata> committed =
            admin.listConsumerGroupOffsets(group).partitionsToOffsetAndMetadata().get();
        Map<TopicPartition, OffsetSpec> wanted = new HashMap<>();
        for (var described : admin.describeTopics(admin.listTopics().names().get().stream()
                .filter(name -> name.equals(usage) || name.startsWith(group) && name.endsWith("-repartition"))
                .toList()).allTopicNames().get().values()) {
            described.partitions().forEach(
                partition -> wanted.put(new TopicPartition(described.name(), partition.partition()), OffsetSpec.latest()));
        }
        var ends = admin.listOffsets(wanted, new ListOffsetsOptions(IsolationLevel.READ_COMMITTED)).all().get();
        for (var end : ends.entrySet()) {
            OffsetAndMetadata position = committed.get(end.getKey());
            if ((position == null ? 0 : position.offset()) < end.getValue().offset()) {
                return false;
            }
        }
        return true;
    }

    /** A message; counted as it is decoded. */
    static final class Decoded extends Serdes.WrapperSerde<Usage> {
        static final ObjectReader READER = new ObjectMapper().readerFor(Usage.class);

        Decoded() {
            super((topic, one) -> { throw new UnsupportedOperationException(); }, (topic, bytes) -> {
                seen.increment();
                try {
                    return READER.readValue(bytes);
                } catch (IOException error) {
                    throw new UncheckedIOException(error);
                }
            });
        }
    }

    static final class Packed extends Serdes.WrapperSerde<Sum> {
        Packed() {
            super((topic, sum) -> sum == null ? null : pack(sum), (topic, bytes) -> bytes == null ? null : unpack(bytes));
        }

        static byte[] pack(Sum sum) {
            ByteArrayOutputStream bytes = new ByteArrayOutputStream(48);
            try (DataOutputStream out = new DataOutputStream(bytes)) {
                out.writeLong(sum.nusd);
                out.writeUTF(sum.service);
                out.writeUTF(sum.team);
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
            return bytes.toByteArray();
        }

        static Sum unpack(byte[] bytes) {
            try (DataInputStream in = new DataInputStream(new ByteArrayInputStream(bytes))) {
                return new Sum(in.readLong(), in.readUTF(), in.readUTF());
            } catch (IOException error) {
                throw new UncheckedIOException(error);
            }
        }
    }
}
