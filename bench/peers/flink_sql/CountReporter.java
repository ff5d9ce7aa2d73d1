import java.util.List;
import java.util.Properties;
import java.util.concurrent.CopyOnWriteArrayList;
import org.apache.flink.metrics.Counter;
import org.apache.flink.metrics.Metric;
import org.apache.flink.metrics.MetricConfig;
import org.apache.flink.metrics.MetricGroup;
import org.apache.flink.metrics.reporter.MetricReporter;
import org.apache.flink.metrics.reporter.MetricReporterFactory;

/** Tells how many records the sources have taken, from Flink's own counters of them. */
public final class CountReporter implements MetricReporter {
    // Kept when Flink drops them at the end of a source: the last count is told after it.
    static final List<Counter> COUNTERS = new CopyOnWriteArrayList<>();

    public static final class Factory implements MetricReporterFactory {
        @Override
        public MetricReporter createMetricReporter(Properties properties) {
            return new CountReporter();
        }
    }

    static void start() {
        Thread thread = new Thread(() -> {
            try {
                while (true) {
                    tell();
                    Thread.sleep(50);
                }
            } catch (InterruptedException ended) {
                return;
            }
        });
        thread.setDaemon(true);
        thread.start();
    }

    static void tell() {
        System.out.println("count " + COUNTERS.stream().mapToLong(Counter::getCount).sum());
    }

    @Override
    public void notifyOfAddedMetric(Metric metric, String name, MetricGroup group) {
        if (name.equals("numRecordsIn") && metric instanceof Counter counter
                && group.getAllVariables().getOrDefault("<operator_name>", "").startsWith("Source:")) {
            COUNTERS.add(counter);
        }
    }

    @Override
    public void notifyOfRemovedMetric(Metric metric, String name, MetricGroup group) {}

    @Override
    public void open(MetricConfig config) {}

    @Override
    public void close() {}
}
