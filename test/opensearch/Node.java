import java.util.List;
import java.util.Map;
import org.opensearch.common.settings.Settings;
import org.opensearch.http.HttpServerTransport;
import org.opensearch.node.InternalSettingsPreparer;
import org.opensearch.node.Node;

/**
 * One node of OpenSearch with the modules of its distribution, below the folder
 * that is its argument. It says where it listens once it does, and stops when
 * its standard input ends: whoever started it is gone then.
 */
final class JudgeNode extends Node {
    private JudgeNode(Settings settings) {
        super(InternalSettingsPreparer.prepareEnvironment(settings, Map.of(), null, () -> "judge"), List.of(
                org.opensearch.transport.Netty4Plugin.class,
                org.opensearch.painless.PainlessPlugin.class,
                org.opensearch.analysis.common.CommonAnalysisPlugin.class,
                org.opensearch.index.mapper.MapperExtrasPlugin.class,
                org.opensearch.index.reindex.ReindexPlugin.class,
                org.opensearch.geo.GeoModulePlugin.class,
                org.opensearch.ingest.common.IngestCommonPlugin.class,
                org.opensearch.search.aggregations.matrix.MatrixAggregationPlugin.class), false);
    }

    public static void main(String[] args) throws Exception {
        Settings settings = Settings.builder()
                .put("path.home", args[0])
                .put("cluster.name", "judge")
                .put("node.name", "judge")
                .put("discovery.type", "single-node")
                .put("network.host", "127.0.0.1")
                .put("http.port", "0")
                .put("transport.port", "0")
                .put("cluster.routing.allocation.disk.threshold_enabled", false)
                .put("script.disable_max_compilations_rate", true)
                .build();
        try (Node node = new JudgeNode(settings).start()) {
            HttpServerTransport http = node.injector().getInstance(HttpServerTransport.class);
            System.out.println("listening on " + http.boundAddress().publishAddress());
            while (System.in.read() >= 0) {
                // Nothing is said to it.
            }
        }
        System.exit(0);
    }
}
