{# An expression holds for every row; unknown is not enough. #}
{% test is_true(model, expression) %}
select *
from {{ model }}
where ({{ expression }}) is distinct from true
{% endtest %}
