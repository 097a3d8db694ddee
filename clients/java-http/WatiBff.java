import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.IOException;
import java.net.URI;
import java.net.URLEncoder;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublisher;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.nio.charset.StandardCharsets;
import java.nio.file.Path;
import java.time.Duration;
import java.util.Map;
import java.util.UUID;
import java.util.function.BiConsumer;
import java.util.stream.Collectors;
import java.util.stream.Stream;

/** wati-bff over the JDK's own client; Jackson reads and writes the JSON. */
public final class WatiBff {
    /** A problem document: {@code type} says what to do, {@code outcome} whether anything was sent. */
    public static final class Refused extends IOException {
        private static final long serialVersionUID = 1;
        public final int status;
        public final JsonNode problem;

        Refused(int status, JsonNode problem) {
            super(status + " " + problem.path("type").asText() + ": " + problem.path("detail").asText());
            this.status = status;
            this.problem = problem;
        }
    }

    private static final ObjectMapper json = new ObjectMapper();
    private final HttpClient http;
    private final String address;
    private final String key;

    /** Any client will do; one with {@code version(HTTP_1_1)} keeps its connections. */
    public WatiBff(HttpClient http, String address, String key) {
        this.http = http;
        this.address = address;
        this.key = key;
    }

    public HttpResponse<byte[]> get(String path) throws IOException, InterruptedException {
        return answer(request(path, Map.of()).GET());
    }

    /** What GET answers, without the body. */
    public HttpResponse<byte[]> head(String path) throws IOException, InterruptedException {
        return answer(request(path, Map.of()).method("HEAD", BodyPublishers.noBody()));
    }

    /** Repeated under the same idempotency key, it is the same message. */
    public HttpResponse<byte[]> post(String path, Object body, String idempotencyKey) throws IOException, InterruptedException {
        return answer(request(path, Map.of())
                .header("Content-Type", "application/json")
                .header("Idempotency-Key", idempotencyKey)
                .POST(BodyPublishers.ofByteArray(json.writeValueAsBytes(body))));
    }

    /** A file or a CSV, streamed from the disk. */
    public HttpResponse<byte[]> upload(String path, Map<String, String> query, Path file, String idempotencyKey)
            throws IOException, InterruptedException {
        String boundary = UUID.randomUUID().toString();
        String name = file.getFileName().toString().replace("\"", "%22");
        BodyPublisher form = BodyPublishers.concat(
                BodyPublishers.ofString("--" + boundary + "\r\nContent-Disposition: form-data; name=\"file\"; filename=\"" + name + "\"\r\n\r\n"),
                BodyPublishers.ofFile(file),
                BodyPublishers.ofString("\r\n--" + boundary + "--\r\n"));
        return answer(request(path, query)
                .header("Content-Type", "multipart/form-data; boundary=" + boundary)
                .header("Idempotency-Key", idempotencyKey)
                .POST(form));
    }

    /** Each event of a broadcast as it comes; returns when the broadcast has ended. */
    public void follow(String broadcast, BiConsumer<String, JsonNode> onEvent) throws IOException, InterruptedException {
        HttpRequest request = request("/v1/broadcasts/" + broadcast + "/events", Map.of()).GET().build();
        String event = "";
        try (Stream<String> lines = http.send(request, BodyHandlers.ofLines()).body()) {
            for (String line : (Iterable<String>) lines::iterator) {
                if (line.startsWith("event: ")) event = line.substring(7);
                if (line.startsWith("data: ")) onEvent.accept(event, json.readTree(line.substring(6)));
            }
        }
    }

    public static JsonNode read(HttpResponse<byte[]> response) throws IOException {
        return json.readTree(response.body());
    }

    private HttpRequest.Builder request(String path, Map<String, String> query) {
        String asked = query.entrySet().stream()
                .map(each -> each.getKey() + "=" + URLEncoder.encode(each.getValue(), StandardCharsets.UTF_8))
                .collect(Collectors.joining("&", query.isEmpty() ? "" : "?", ""));
        return HttpRequest.newBuilder(URI.create(address + path + asked))
                .timeout(Duration.ofSeconds(60))
                .header("Authorization", "Bearer " + key);
    }

    private HttpResponse<byte[]> answer(HttpRequest.Builder request) throws IOException, InterruptedException {
        HttpResponse<byte[]> response = http.send(request.build(), BodyHandlers.ofByteArray());
        if (response.statusCode() >= 400) throw new Refused(response.statusCode(), read(response));
        return response;
    }
}
