import java.io.IOException;
import java.net.URI;
import java.net.http.HttpClient;
import java.net.http.HttpRequest;
import java.net.http.HttpRequest.BodyPublishers;
import java.net.http.HttpResponse;
import java.net.http.HttpResponse.BodyHandlers;
import java.time.Duration;
import java.util.regex.Matcher;
import java.util.regex.Pattern;

/** Sends with the JDK (17) alone: repeats for as long as that may help, and never sends a message twice. */
public final class WatiSender {
    /** ACCEPTED: WATI took it. PENDING: the service goes on with it, look later. REFUSED, NOT_SENT: nothing was sent.
     *  UNKNOWN: it may have been sent; the service looks for it, and it must not be sent under another key. */
    public enum Outcome { ACCEPTED, PENDING, REFUSED, NOT_SENT, UNKNOWN }

    /** {@code problem} says why it was not accepted, such as "session-window-closed"; else it is empty. */
    public record Sent(Outcome outcome, String problem, String id, HttpResponse<String> answer) {}

    private final HttpClient http = HttpClient.newBuilder()
            .version(HttpClient.Version.HTTP_1_1).connectTimeout(Duration.ofSeconds(5)).build();
    private final String address;
    private final String callerKey;
    private final Duration patience;

    public WatiSender(String address, String callerKey, Duration patience) {
        this.address = address;
        this.callerKey = callerKey;
        this.patience = patience;
    }

    /** Make {@code key} from what the message is about, so that your own repeat comes to the same one.
     *  Throws if there was no answer to the end: send it again under the same key. */
    public Sent send(String path, String json, String key) throws IOException, InterruptedException {
        long end = System.nanoTime() + patience.toNanos();
        String currentKey = key;
        for (int fresh = 2;;) {
            HttpResponse<String> answer = null;
            IOException lost = null;
            try {
                answer = http.send(request(path, json, currentKey), BodyHandlers.ofString());
            } catch (IOException fault) {
                lost = fault;
            }
            long rest = answer == null ? 5L : answer.headers().firstValue("Retry-After")
                    .filter(value -> value.matches("\\d{1,4}")).map(Long::valueOf).orElse(5L);
            boolean isLast = System.nanoTime() + Duration.ofSeconds(rest).toNanos() > end;
            if (answer != null && (isLast || !mayHelp(answer))) return sent(answer);
            if (isLast) throw lost;
            Thread.sleep(Duration.ofSeconds(rest).toMillis());
            // The old key answers "not sent" for ever. The new one is made of it, so that it is the same after a crash.
            if (answer != null && outcome(answer).equals("not_sent")) currentKey = key + "-" + fresh++;
        }
    }

    private HttpRequest request(String path, String json, String key) {
        return HttpRequest.newBuilder(URI.create(address + path)).timeout(Duration.ofSeconds(60))
                .header("Authorization", "Bearer " + callerKey).header("Content-Type", "application/json")
                .header("Idempotency-Key", key).POST(BodyPublishers.ofString(json)).build();
    }

    private static boolean mayHelp(HttpResponse<String> answer) {
        int status = answer.statusCode();
        boolean isInProgress = problem(answer).equals("idempotency-in-progress");
        return (isInProgress || status == 429 || status >= 500) && !outcome(answer).equals("rejected");
    }

    private static Sent sent(HttpResponse<String> answer) {
        int status = answer.statusCode();
        Outcome outcome = switch (status < 300 ? member(answer, "status") : outcome(answer)) {
            case "accepted" -> Outcome.ACCEPTED;
            case "queued", "sending" -> Outcome.PENDING;
            case "rejected" -> Outcome.REFUSED;
            case "not_sent" -> Outcome.NOT_SENT;
            case "" -> status == 429 ? Outcome.NOT_SENT
                    : status >= 400 && status < 500 && !mayHelp(answer) ? Outcome.REFUSED : Outcome.UNKNOWN;
            default -> Outcome.UNKNOWN;
        };
        return new Sent(outcome, problem(answer), member(answer, "id"), answer);
    }

    private static String problem(HttpResponse<String> answer) {
        return answer.statusCode() < 300 ? "" : member(answer, "type").replaceFirst(".*/problems/", "");
    }

    private static String outcome(HttpResponse<String> answer) {
        return member(answer, "outcome");
    }

    /** A member by its name. Inside of texts quotation marks are escaped: no text can be taken for one. */
    private static String member(HttpResponse<String> answer, String name) {
        Matcher found = Pattern.compile("\"" + name + "\":\"([^\"]*)\"").matcher(answer.body());
        return found.find() ? found.group(1) : "";
    }
}
