# net/http: ruby send.rb ADDRESS KEY INVOICE CSV FILM
require 'json'
require 'net/http'
require 'securerandom'

BFF, KEY, INVOICE, CSV, FILM = ARGV
RUN = SecureRandom.uuid
HTTP = Net::HTTP.start(URI(BFF).host, URI(BFF).port, use_ssl: BFF.start_with?('https:'), read_timeout: 60)

def header(name)
  { 'Authorization' => "Bearer #{KEY}", 'Idempotency-Key' => "ruby-#{name}-#{RUN}" }
end

# The same key is the same message, however often it is asked for.
def send_template
  body = {
    to: '14155551000',
    template: 'order_update',
    parameters: { customer_name: 'José', order_id: 'A-1001', order_status: 'shipped' }
  }
  HTTP.post('/v1/messages/template', body.to_json, header('template').merge('Content-Type' => 'application/json'))
end

def upload(path, file, name, query, headers = {})
  request = Net::HTTP::Post.new("#{path}?#{URI.encode_www_form(query)}", header(name).merge(headers))
  File.open(file, 'rb') do |content|
    request.set_form([['file', content]], 'multipart/form-data')
    HTTP.request(request)
  end
end

# Server-sent events; the stream ends with the broadcast.
def follow(broadcast)
  text = +''
  HTTP.request_get("/v1/broadcasts/#{broadcast}/events", { 'Authorization' => "Bearer #{KEY}" }) do |stream|
    stream.read_body { |bytes| text << bytes }
  end
  last = text.force_encoding('UTF-8').split("\n\n").last
  [last[/^event: (.*)$/, 1], JSON.parse(last[/^data: (.*)$/, 1])]
end

puts "templates, by HEAD: #{HTTP.head('/v1/templates', header('head')).code}"

first = send_template
puts "template: #{first.code} #{JSON.parse(first.body)['status']}"
again = send_template
same = JSON.parse(again.body)['id'] == JSON.parse(first.body)['id']
puts "template again: #{again.code} #{JSON.parse(again.body)['status']}, replayed: #{again['Idempotency-Replayed']}, the same: #{same}"

sent = upload('/v1/messages/file', INVOICE, 'file', to: '14155551000', caption: 'Grüße')
puts "file: #{sent.code} #{JSON.parse(sent.body)['status']} #{JSON.parse(sent.body)['fileName']}"

imported = upload('/v1/broadcasts/import', CSV, 'import', template: 'order_update', broadcastName: 'march')
puts "import: #{imported.code} #{JSON.parse(imported.body)['counts']['total']}"
event, broadcast = follow(JSON.parse(imported.body)['id'])
puts "events: #{event}, #{broadcast['counts']['accepted']} accepted"

refused = upload('/v1/messages/file', FILM, 'film', { to: '14155551000' }, { 'Authorization' => "Bearer #{KEY}x" })
puts "another key: #{refused.code} #{JSON.parse(refused.body)['type']}"

refused = HTTP.post('/v1/messages/text', 'Hello', header('text').merge('Content-Type' => 'text/plain'))
puts "another type: #{refused.code} #{JSON.parse(refused.body)['type']}"
