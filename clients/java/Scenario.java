import com.fasterxml.jackson.annotation.JsonInclude;
import com.fasterxml.jackson.databind.DeserializationFeature;
import com.fasterxml.jackson.databind.JsonNode;
import com.fasterxml.jackson.databind.ObjectMapper;
import java.io.File;
import java.io.IOException;
import java.nio.file.Files;
import java.nio.file.Path;
import java.util.ArrayList;
import java.util.Iterator;
import java.util.List;
import java.util.Map;
import java.util.Objects;
import java.util.UUID;
import java.util.stream.IntStream;
import org.springframework.http.ResponseEntity;
import org.springframework.http.converter.json.MappingJackson2HttpMessageConverter;
import org.springframework.web.client.HttpStatusCodeException;
import org.springframework.web.client.RestTemplate;
import wati.bff.ApiClient;
import wati.bff.api.BroadcastsApi;
import wati.bff.api.ConversationsApi;
import wati.bff.api.EventsApi;
import wati.bff.api.MessagesApi;
import wati.bff.model.Broadcast;
import wati.bff.model.BroadcastPost;
import wati.bff.model.BroadcastPostRecipients;
import wati.bff.model.Event;
import wati.bff.model.EventList;
import wati.bff.model.Message;
import wati.bff.model.OperatorPut;
import wati.bff.model.Problem;
import wati.bff.model.TemplatePost;
import wati.bff.model.TextPost;

/** What a service of another team does with wati-bff, against its sandbox: {@code java Scenario ADDRESS KEY}. */
final class Scenario {
    /** What is not set is absent, never null: wati-bff refuses null. Answers may have more members tomorrow. */
    private static final ObjectMapper json = new ObjectMapper()
            .setSerializationInclusion(JsonInclude.Include.NON_NULL)
            .disable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);

    /** Keys are kept: each run has its own, so that the scenario can be repeated against one sandbox. */
    private final String run = UUID.randomUUID().toString();

    private final MessagesApi messages;
    private final BroadcastsApi broadcasts;
    private final ConversationsApi conversations;
    private final EventsApi events;
    private final RestTemplate http;
    private final String address;

    private Scenario(String address, String key) {
        this.address = address;
        http = new RestTemplate();
        http.getMessageConverters().removeIf(MappingJackson2HttpMessageConverter.class::isInstance);
        http.getMessageConverters().add(new MappingJackson2HttpMessageConverter(json));
        ApiClient client = new ApiClient(http);
        client.setBasePath(address);
        client.setBearerToken(key);
        messages = new MessagesApi(client);
        broadcasts = new BroadcastsApi(client);
        conversations = new ConversationsApi(client);
        events = new EventsApi(client);
    }

    public static void main(String[] args) throws Exception {
        Scenario scenario = new Scenario(args[0], args[1]);
        scenario.sendsOnceUnderOneKey();
        scenario.readsProblems();
        scenario.sendsFile();
        scenario.followsBroadcast();
        scenario.assignsOperator();
        scenario.readsEvents();
        scenario.readsEveryExampleOfAnEvent();
    }

    private void sendsOnceUnderOneKey() {
        TextPost text = new TextPost().to("14155550100").text("Your parcel is on its way.");
        ResponseEntity<Message> first = messages.sendTextWithHttpInfo(text, "java-text-" + run, null, null, null);
        Message sent = first.getBody();
        equal(201, first.getStatusCodeValue());
        equal(Message.StatusEnum.ACCEPTED, sent.getStatus());
        equal("/v1/messages/" + sent.getId(), first.getHeaders().getFirst("Location"));

        ResponseEntity<Message> again = messages.sendTextWithHttpInfo(text, "java-text-" + run, null, null, null);
        // What became of it since comes along.
        equal(sent.delivery(null), again.getBody().delivery(null));
        equal("true", again.getHeaders().getFirst("Idempotency-Replayed"));

        equal(Message.StatusEnum.ACCEPTED, messages.getMessage(sent.getId()).getStatus());
        System.out.println("text: sent once, replayed under its key");
    }

    private void readsProblems() throws IOException {
        TextPost late = new TextPost().to("14155550409").text("Hello.");
        Problem closed = problemOf(() -> messages.sendText(late, "java-closed-" + run, null, null, null));
        equal(true, closed.getType().endsWith("/problems/session-window-closed"));
        equal(Problem.OutcomeEnum.REJECTED, closed.getOutcome());
        equal(false, closed.getRetryable());

        TemplatePost misspelt = new TemplatePost()
                .to("14155550100")
                .template("order_update")
                .parameters(Map.of("customer", "Asha"));
        Problem faults = problemOf(() -> messages.sendTemplate(misspelt, null, null, null, null));
        equal(true, faults.getType().endsWith("/problems/template-parameters-invalid"));
        equal(true, faults.getErrors().stream().anyMatch(fault -> "/parameters/customer_name".equals(fault.getPointer())));
        System.out.println("problems: window closed, parameters at fault");
    }

    private void sendsFile() throws IOException {
        Path invoice = Files.writeString(Files.createTempDirectory("wati-bff").resolve("invoice.pdf"), "%PDF-1.4\nhello");
        File file = invoice.toFile();
        try {
            Message sent = messages.sendFile(
                    "14155550100", file, null, null, null, "Your invoice", "java-file-" + run, null, null, null);
            equal(Message.KindEnum.FILE, sent.getKind());
            equal(Message.StatusEnum.ACCEPTED, sent.getStatus());
        } finally {
            Files.delete(invoice);
            Files.delete(invoice.getParent());
        }
        System.out.println("file: streamed through");
    }

    private void followsBroadcast() {
        List<BroadcastPostRecipients> recipients = IntStream.range(0, 50)
                .mapToObj(index -> new BroadcastPostRecipients()
                        .to("1415555" + (3000 + index))
                        .parameters(Map.of("customer_name", "Asha", "order_id", "A-" + index, "order_status", "shipped")))
                .toList();
        BroadcastPost post =
                new BroadcastPost().template("order_update").broadcastName("clients").recipients(recipients);
        Broadcast started = broadcasts.createBroadcast("java-broadcast-" + run, post, null, null, null);

        // RestTemplate has the whole stream, once it has ended.
        String events = broadcasts.streamBroadcast(started.getId(), null);
        equal(true, events.contains("event: end"));

        Broadcast ended = broadcasts.getBroadcast(started.getId());
        equal(Broadcast.StatusEnum.DONE, ended.getStatus());
        equal(recipients.size(), ended.getCounts().getAccepted());
        System.out.println("broadcast: " + ended.getCounts().getAccepted() + " of "
                + ended.getCounts().getTotal() + " accepted, its progress streamed");
    }

    /** One of two: what is not set must not be sent as null. */
    private void assignsOperator() {
        OperatorPut asha = new OperatorPut().email("asha@example.com");
        equal("asha@example.com", conversations.assignOperator("14155550100", asha, null, null).getOperator());
        equal("bot", conversations.assignOperator("14155550100", new OperatorPut().bot(true), null, null).getOperator());
        System.out.println("operator: by e-mail, and the bot");
    }

    /** The cursor is kept when a page is done: after a crash it comes again, and nothing is missed. */
    private void readsEvents() {
        String cursor = events.listEvents("latest", null, null, null, null).getNextCursor();
        Message sent = messages.sendTemplate(new TemplatePost().to("14155550704").template("welcome"), null, null, null, null);
        List<String> seen = new ArrayList<>();
        while (!seen.contains("message.replied")) {
            EventList page = events.listEvents(cursor, null, List.of("message.*"), null, "wait=30");
            for (Event event : page.getData()) {
                Message message = event.getData().getMessage();
                if (message != null && message.getId().equals(sent.getId())) seen.add(event.getType());
            }
            cursor = page.getNextCursor();
        }
        equal(List.of("message.accepted", "message.sent", "message.delivered", "message.read", "message.replied"), seen);
        System.out.println("events: " + seen.size() + " of one message read");
    }

    /** Those of the description, one of each type; what the class does not know is a fault here. */
    private void readsEveryExampleOfAnEvent() throws IOException {
        ObjectMapper strict = json.copy().enable(DeserializationFeature.FAIL_ON_UNKNOWN_PROPERTIES);
        JsonNode description = json.readTree(http.getForObject(address + "/openapi.json", byte[].class));
        Iterator<Map.Entry<String, JsonNode>> examples =
                description.at("/webhooks/event/post/requestBody/content/application~1json/examples").fields();
        int read = 0;
        for (; examples.hasNext(); read++) {
            Map.Entry<String, JsonNode> example = examples.next();
            equal(example.getKey(), strict.treeToValue(example.getValue().get("value"), Event.class).getType());
        }
        equal(true, read > 10);
        System.out.println("events: " + read + " examples read");
    }

    /** Every refusal is a problem document. */
    private static Problem problemOf(Runnable call) throws IOException {
        try {
            call.run();
        } catch (HttpStatusCodeException refusal) {
            return json.readValue(refusal.getResponseBodyAsByteArray(), Problem.class);
        }
        throw new AssertionError("not refused");
    }

    private static void equal(Object expected, Object actual) {
        if (!Objects.equals(expected, actual)) throw new AssertionError("expected " + expected + ", got " + actual);
    }
}
