import com.fasterxml.jackson.databind.JsonNode;
import java.net.http.HttpClient;
import java.net.http.HttpResponse;
import java.nio.file.Path;
import java.util.Map;
import java.util.UUID;

/** What there is to do with {@link WatiBff}: {@code java -cp ... Send ADDRESS KEY INVOICE CSV FILM}. */
final class Send {
    public static void main(String[] args) throws Exception {
        HttpClient http = HttpClient.newHttpClient();
        WatiBff bff = new WatiBff(http, args[0], args[1]);
        String run = UUID.randomUUID().toString();

        System.out.println("templates, by HEAD: " + bff.head("/v1/templates").statusCode());

        Map<String, Object> template = Map.of(
                "to", "14155551000",
                "template", "order_update",
                "parameters", Map.of("customer_name", "José", "order_id", "A-1001", "order_status", "shipped"));
        HttpResponse<byte[]> first = bff.post("/v1/messages/template", template, "java-" + run);
        JsonNode message = WatiBff.read(first);
        System.out.println("template: " + first.statusCode() + " " + message.get("status").asText());
        HttpResponse<byte[]> again = bff.post("/v1/messages/template", template, "java-" + run);
        JsonNode repeated = WatiBff.read(again);
        System.out.println("template again: " + again.statusCode() + " " + repeated.get("status").asText()
                + ", replayed: " + again.headers().firstValue("Idempotency-Replayed").orElse("")
                + ", the same: " + repeated.get("id").equals(message.get("id")));

        Map<String, String> recipient = Map.of("to", "14155551000", "caption", "Grüße");
        HttpResponse<byte[]> sent = bff.upload("/v1/messages/file", recipient, Path.of(args[2]), "java-file-" + run);
        JsonNode file = WatiBff.read(sent);
        System.out.println("file: " + sent.statusCode() + " " + file.get("status").asText() + " " + file.get("fileName").asText());

        Map<String, String> march = Map.of("template", "order_update", "broadcastName", "march");
        HttpResponse<byte[]> taken = bff.upload("/v1/broadcasts/import", march, Path.of(args[3]), "java-import-" + run);
        JsonNode broadcast = WatiBff.read(taken);
        System.out.println("import: " + taken.statusCode() + " " + broadcast.at("/counts/total"));
        bff.follow(broadcast.get("id").asText(), (event, state) -> {
            if (event.equals("end")) System.out.println("events: end, " + state.at("/counts/accepted") + " accepted");
        });

        try {
            new WatiBff(http, args[0], args[1] + "x").upload("/v1/messages/file", recipient, Path.of(args[4]), "java-film-" + run);
        } catch (WatiBff.Refused refused) {
            System.out.println("another key: " + refused.status + " " + refused.problem.get("type").asText());
        }
        try {
            bff.upload("/v1/messages/text", Map.of(), Path.of(args[2]), "java-text-" + run);
        } catch (WatiBff.Refused refused) {
            System.out.println("another type: " + refused.status + " " + refused.problem.get("type").asText());
        }
    }
}
