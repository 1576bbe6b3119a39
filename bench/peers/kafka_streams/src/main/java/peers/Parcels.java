package peers;

import com.fasterxml.jackson.annotation.JsonIgnoreProperties;
import com.fasterxml.jackson.databind.ObjectMapper;
import com.fasterxml.jackson.databind.ObjectReader;
import com.fasterxml.jackson.databind.ObjectWriter;
import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.Properties;
import java.util.function.Function;
import org.apache.kafka.clients.consumer.ConsumerConfig;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.common.serialization.Deserializer;
import org.apache.kafka.common.serialization.Serde;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.serialization.Serializer;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.StreamsBuilder;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.kstream.Consumed;
import org.apache.kafka.streams.kstream.Grouped;
import org.apache.kafka.streams.kstream.KGroupedStream;
import org.apache.kafka.streams.kstream.KStream;
import org.apache.kafka.streams.kstream.Materialized;
import org.apache.kafka.streams.kstream.Produced;
import org.apache.kafka.streams.kstream.TimeWindows;
import org.apache.kafka.streams.state.WindowStore;

/**
 * The question in Kafka Streams: count, two sums and late ones per site and minute, in a RocksDB window store.
 *
 * <p>JSON is read only once; what goes through the repartition topic and into the store has a compact binary form. The
 * record cache spares the store, the changelog and the output: of each window they see one update per commit.
 */
public final class Parcels {

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Event {
        public Data data;
    }

    @JsonIgnoreProperties(ignoreUnknown = true)
    public static final class Data {
        public String site;
        public double amount;
        public long weight;
        public boolean late;
    }

    /** One event without its site, or the sum of many. */
    public record Totals(long count, double amount, long weight, long late) {
        static final Totals NONE = new Totals(0, 0, 0, 0);

        Totals plus(Totals other) {
            return new Totals(
                    count + other.count, amount + other.amount, weight + other.weight, late + other.late);
        }

        byte[] bytes() {
            return ByteBuffer.allocate(32).putLong(count).putDouble(amount).putLong(weight).putLong(late).array();
        }

        static Totals of(byte[] bytes) {
            ByteBuffer from = ByteBuffer.wrap(bytes);
            return new Totals(from.getLong(), from.getDouble(), from.getLong(), from.getLong());
        }
    }

    /** What is told of one window. */
    public record Told(String site, long start, long count, double amount, long weight, long late) {}

    private static Told told(String site, long start, Totals sum) {
        return new Told(site, start, sum.count, sum.amount, sum.weight, sum.late);
    }

    private static final ObjectMapper JSON = new ObjectMapper();
    private static final ObjectReader EVENT = JSON.readerFor(Event.class);
    private static final ObjectWriter TOLD = JSON.writerFor(Told.class);

    private interface Reading<T> {
        T of(byte[] bytes) throws IOException;
    }

    private interface Writing<T> {
        byte[] of(T value) throws IOException;
    }

    private static <T> Serde<T> serde(Writing<T> write, Reading<T> read) {
        Serializer<T> to = (topic, value) -> value == null ? null : unchecked(write::of, value);
        Deserializer<T> from = (topic, bytes) -> bytes == null ? null : unchecked(read::of, bytes);
        return Serdes.serdeFrom(to, from);
    }

    private interface Throwing<A, B> {
        B apply(A value) throws IOException;
    }

    private static <A, B> B unchecked(Throwing<A, B> work, A value) {
        try {
            return work.apply(value);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
    }

    private static StreamsBuilder topology(String input, String output, boolean regroup) {
        Serde<Event> event = serde(JSON::writeValueAsBytes, EVENT::readValue);
        Serde<Totals> totals = serde(Totals::bytes, Totals::of);
        Serde<Told> told = serde(TOLD::writeValueAsBytes, bytes -> JSON.readValue(bytes, Told.class));
        Function<Data, Totals> one = data -> new Totals(1, data.amount, data.weight, data.late ? 1 : 0);
        StreamsBuilder builder = new StreamsBuilder();
        KStream<String, Event> events = builder.stream(input, Consumed.with(Serdes.String(), event));
        // The key decides: with mapValues it stays as it came, with map the records go through a topic by site.
        KStream<String, Totals> parcels = regroup
                ? events.map((key, each) -> KeyValue.pair(each.data.site, one.apply(each.data)))
                : events.mapValues(each -> one.apply(each.data));
        KGroupedStream<String, Totals> bySite = parcels.groupByKey(Grouped.with("by-site", Serdes.String(), totals));
        bySite.windowedBy(TimeWindows.ofSizeAndGrace(Duration.ofMinutes(1), Duration.ofMinutes(15)))
                .aggregate(
                        () -> Totals.NONE,
                        (site, each, sum) -> sum.plus(each),
                        Materialized.<String, Totals, WindowStore<Bytes, byte[]>>as("totals")
                                .withKeySerde(Serdes.String())
                                .withValueSerde(totals)
                                .withRetention(Duration.ofMinutes(20)))
                .toStream()
                .map((window, sum) -> KeyValue.pair(window.key(), told(window.key(), window.window().start(), sum)))
                .to(output, Produced.with(Serdes.String(), told));
        return builder;
    }

    private static Properties properties(String broker, String name, int threads, String state) {
        Properties with = new Properties();
        with.put(StreamsConfig.APPLICATION_ID_CONFIG, name);
        with.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, broker);
        with.put(StreamsConfig.STATE_DIR_CONFIG, state);
        with.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        with.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, 500);
        with.put(StreamsConfig.STATESTORE_CACHE_MAX_BYTES_CONFIG, 64L << 20);
        with.put(StreamsConfig.TOPOLOGY_OPTIMIZATION_CONFIG, StreamsConfig.OPTIMIZE);
        with.put(ConsumerConfig.AUTO_OFFSET_RESET_CONFIG, "earliest");
        with.put(ConsumerConfig.MAX_POLL_RECORDS_CONFIG, 5000);
        with.put(ConsumerConfig.FETCH_MIN_BYTES_CONFIG, 64 << 10);
        with.put(ConsumerConfig.FETCH_MAX_WAIT_MS_CONFIG, 50);
        with.put(StreamsConfig.producerPrefix(ProducerConfig.ACKS_CONFIG), "all");
        with.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 20);
        with.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 << 10);
        return with;
    }

    /** Arguments: broker, application id, input, output, state folder, threads, whether to regroup. */
    public static void main(String[] args) {
        StreamsBuilder builder = topology(args[2], args[3], Boolean.parseBoolean(args[6]));
        Properties with = properties(args[0], args[1], Integer.parseInt(args[5]), args[4]);
        KafkaStreams streams = new KafkaStreams(builder.build(with), with);
        Runtime.getRuntime().addShutdownHook(new Thread(() -> streams.close(Duration.ofSeconds(5))));
        streams.start();
    }
}
