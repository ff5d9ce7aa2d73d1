import java.util.Map;
import org.apache.flink.configuration.Configuration;
import org.apache.flink.streaming.api.environment.StreamExecutionEnvironment;
import org.apache.flink.table.api.StatementSet;
import org.apache.flink.table.api.bridge.java.StreamTableEnvironment;

/**
 * Flink SQL doing the meter's sums, exactly once: nano-dollars of each service and each team in 10 s of event time.
 *
 * <p>The whole mini-cluster runs in this process. The two sums share one source. A job over an unbounded topic never
 * ends, so this one ends where the topic ends now; it is a streaming job all the same, with a checkpoint a second.
 */
public final class FlinkSqlPeer {
    public static void main(String[] arguments) throws Exception {
        String bootstrap = arguments[0], usage = arguments[1], sums = arguments[2], group = arguments[3];
        Configuration config = Configuration.fromMap(Map.ofEntries(
            Map.entry("execution.runtime-mode", "streaming"),
            Map.entry("parallelism.default", "" + Runtime.getRuntime().availableProcessors()),
            Map.entry("pipeline.object-reuse", "true"),
            Map.entry("pipeline.generic-types", "false"),
            Map.entry("restart-strategy.type", "none"),
            Map.entry("execution.checkpointing.interval", "1 s"),
            Map.entry("execution.checkpointing.mode", "EXACTLY_ONCE"),
            Map.entry("execution.checkpointing.storage", "filesystem"),
            Map.entry("execution.checkpointing.dir", "file://" + arguments[5]),
            Map.entry("state.backend.type", "hashmap"),
            Map.entry("taskmanager.memory.network.min", "128 mb"),
            Map.entry("taskmanager.memory.network.max", "128 mb"),
            Map.entry("metrics.reporter.count.factory.class", CountReporter.Factory.class.getName())));
        StreamTableEnvironment tables =
            StreamTableEnvironment.create(StreamExecutionEnvironment.getExecutionEnvironment(config));
        tables.getConfig().set("table.exec.state.ttl", "0");
        CountReporter.start();
        tables.executeSql(
            "CREATE TABLE usage_ ("
            + " `start` BIGINT, cost_usd DOUBLE, labels ROW<team STRING, namespace STRING, service STRING>,"
            + " happened AS TO_TIMESTAMP_LTZ(`start`, 3), WATERMARK FOR happened AS happened - INTERVAL '10' SECOND"
            + ") WITH ('connector' = 'kafka', 'properties.bootstrap.servers' = '" + bootstrap + "',"
            + " 'topic' = '" + usage + "', 'properties.group.id' = '" + group + "', 'format' = 'json',"
            + " 'scan.startup.mode' = 'earliest-offset', 'scan.bounded.mode' = 'latest-offset',"
            + " 'properties.isolation.level' = 'read_committed', 'properties.max.poll.records' = '5000')");
        // To the nano-dollar: a double holds nine decimals exactly enough up to four million dollars.
        tables.executeSql(
            "CREATE TEMPORARY VIEW priced AS SELECT happened, labels.team AS team,"
            + " labels.namespace AS namespace, labels.service AS service,"
            + " CAST(FLOOR(cost_usd * 1e9 + 0.5e0) AS BIGINT) AS nusd FROM usage_");
        // A service has one team, so teams are sums of services.
        tables.executeSql(
            "CREATE TEMPORARY VIEW by_service AS"
            + " SELECT window_start, window_end, namespace, service, team, SUM(nusd) AS nusd"
            + " FROM TABLE(TUMBLE(TABLE priced, DESCRIPTOR(happened), INTERVAL '10' SECOND))"
            + " GROUP BY window_start, window_end, namespace, service, team");
        tables.executeSql(
            "CREATE TEMPORARY VIEW by_team AS"
            + " SELECT window_start, window_end, team, SUM(nusd) AS nusd FROM by_service"
            + " GROUP BY window_start, window_end, team");
        StatementSet both = tables.createStatementSet();
        // A sink for each: writers that share a prefix of transactions fence each other off.
        tables.executeSql(sink("services", bootstrap, sums, group));
        both.addInsertSql(insert("services", "CONCAT('service=', namespace, '/', service)", "by_service"));
        tables.executeSql(sink("teams", bootstrap, sums, group));
        both.addInsertSql(insert("teams", "CONCAT('team=', team)", "by_team"));
        both.execute().await();
        CountReporter.tell();
        System.out.println("done");
        System.exit(0);
    }

    static String sink(String name, String bootstrap, String topic, String group) {
        return "CREATE TABLE " + name + " (`scope` STRING, `bucket` BIGINT, `nusd` BIGINT) WITH ("
            + "'connector' = 'kafka', 'properties.bootstrap.servers' = '" + bootstrap + "',"
            + " 'topic' = '" + topic + "', 'format' = 'json', 'sink.delivery-guarantee' = 'exactly-once',"
            + " 'sink.transactional-id-prefix' = '" + group + "-" + name + "',"
            + " 'properties.linger.ms' = '50', 'properties.transaction.timeout.ms' = '60000')";
    }

    static String insert(String sink, String scope, String from) {
        return "INSERT INTO " + sink + " SELECT " + scope + ","
            + " 1000 * UNIX_TIMESTAMP(CAST(window_start AS STRING)), nusd FROM " + from;
    }
}
