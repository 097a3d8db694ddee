<?php
// PHP's curl extension: php send_curl.php ADDRESS KEY INVOICE CSV FILM
declare(strict_types=1);

[, $bff, $key, $invoice, $csv, $film] = $argv;
$run = bin2hex(random_bytes(8));

/** The status, the headers by their names in small letters, and the body. */
function ask(string $path, array $headers = [], array $options = []): array
{
    global $bff, $key;
    $seen = [];
    $request = curl_init($bff . $path);
    curl_setopt_array($request, [
        CURLOPT_HTTPHEADER => [...$headers, "Authorization: Bearer $key"],
        CURLOPT_RETURNTRANSFER => true,
        CURLOPT_TIMEOUT => 60,
        CURLOPT_HEADERFUNCTION => function ($request, string $line) use (&$seen): int {
            [$name, $value] = array_map('trim', explode(':', $line, 2)) + [1 => ''];
            $seen[strtolower($name)] = $value;
            return strlen($line);
        },
    ]);
    curl_setopt_array($request, $options);
    $body = curl_exec($request);
    if ($body === false) throw new RuntimeException(curl_error($request));
    return [curl_getinfo($request, CURLINFO_RESPONSE_CODE), $seen, is_string($body) ? json_decode($body, true) : null];
}

/** The same key is the same message, however often it is asked for. */
function sendTemplate(): array
{
    global $run;
    return ask('/v1/messages/template', ['Content-Type: application/json', "Idempotency-Key: php-curl-$run"], [
        CURLOPT_POSTFIELDS => json_encode([
            'to' => '14155550100',
            'template' => 'order_update',
            'parameters' => ['customer_name' => 'José', 'order_id' => 'A-1001', 'order_status' => 'shipped'],
        ]),
    ]);
}

function upload(string $path, string $file, string $name, array $query): array
{
    global $run;
    return ask("$path?" . http_build_query($query), ["Idempotency-Key: php-curl-$name-$run"], [
        CURLOPT_POSTFIELDS => ['file' => new CURLFile($file)],
    ]);
}

/** Server-sent events; the stream ends with the broadcast. */
function follow(string $broadcast): array
{
    $text = '';
    ask("/v1/broadcasts/$broadcast/events", [], [
        CURLOPT_WRITEFUNCTION => function ($request, string $bytes) use (&$text): int {
            $text .= $bytes;
            return strlen($bytes);
        },
    ]);
    $events = explode("\n\n", trim($text));
    preg_match_all('/^(\w+): (.*)$/m', end($events), $lines);
    $last = array_combine($lines[1], $lines[2]);
    return [$last['event'], json_decode($last['data'], true)];
}

[$status] = ask('/v1/templates', [], [CURLOPT_NOBODY => true]);
echo "templates, by HEAD: $status\n";

[$status, , $first] = sendTemplate();
echo "template: $status {$first['status']}\n";
[$status, $headers, $again] = sendTemplate();
$same = var_export($again['id'] === $first['id'], true);
echo "template again: $status {$again['status']}, replayed: {$headers['idempotency-replayed']}, the same: $same\n";

[$status, , $sent] = upload('/v1/messages/file', $invoice, 'file', ['to' => '14155550100', 'caption' => 'Grüße']);
echo "file: $status {$sent['status']} {$sent['fileName']}\n";

[$status, , $imported] = upload('/v1/broadcasts/import', $csv, 'import', ['template' => 'order_update', 'broadcastName' => 'march']);
echo "import: $status {$imported['counts']['total']}\n";
[$event, $broadcast] = follow($imported['id']);
echo "events: $event, {$broadcast['counts']['accepted']} accepted\n";

$key .= 'x';
[$status, , $problem] = upload('/v1/messages/file', $film, 'film', ['to' => '14155550100']);
echo "another key: $status {$problem['type']}\n";
$key = $argv[2];
[$status, , $problem] = ask('/v1/messages/text', ['Content-Type: text/plain'], [CURLOPT_POSTFIELDS => 'Hello']);
echo "another type: $status {$problem['type']}\n";
