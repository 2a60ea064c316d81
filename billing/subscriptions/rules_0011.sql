-- Prices, policies and given discounts keep what they said, whoever writes.

CREATE TRIGGER price_kept BEFORE DELETE ON billing_price FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('prices are never deleted');
CREATE TRIGGER price_frozen BEFORE UPDATE ON billing_price FOR EACH ROW
    WHEN ((OLD.public_id, OLD.plan_id, OLD.version, OLD.currency, OLD.interval, OLD.interval_count, OLD.components, OLD.made_by, OLD.created_at)
          IS DISTINCT FROM
          (NEW.public_id, NEW.plan_id, NEW.version, NEW.currency, NEW.interval, NEW.interval_count, NEW.components, NEW.made_by, NEW.created_at))
    EXECUTE FUNCTION kit_refuse_change('a price is what was offered; another price is another version');
CREATE TRIGGER coupon_kept BEFORE DELETE ON billing_coupon FOR EACH ROW EXECUTE FUNCTION kit_refuse_change('coupons are never deleted');
CREATE TRIGGER coupon_frozen BEFORE UPDATE ON billing_coupon FOR EACH ROW
    WHEN ((OLD.code, OLD.basis_points, OLD.amount_minor, OLD.currency, OLD.duration, OLD.invoices, OLD.plan_id)
          IS DISTINCT FROM (NEW.code, NEW.basis_points, NEW.amount_minor, NEW.currency, NEW.duration, NEW.invoices, NEW.plan_id))
    EXECUTE FUNCTION kit_refuse_change('a coupon is what was promised; make another');
CREATE TRIGGER dunning_kept BEFORE DELETE ON billing_dunningpolicy FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('dunning policies are never deleted');
CREATE TRIGGER dunning_frozen BEFORE UPDATE ON billing_dunningpolicy FOR EACH ROW
    WHEN ((OLD.code, OLD.version, OLD.days_between, OLD.hard_declines, OLD.budgets, OLD.final_action, OLD.reason, OLD.made_by, OLD.created_at)
          IS DISTINCT FROM
          (NEW.code, NEW.version, NEW.days_between, NEW.hard_declines, NEW.budgets, NEW.final_action, NEW.reason, NEW.made_by, NEW.created_at))
    EXECUTE FUNCTION kit_refuse_change('a version of a policy is what it was; another is another version');
CREATE TRIGGER subscription_kept BEFORE DELETE ON billing_subscription FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('subscriptions are never deleted');
CREATE TRIGGER collection_kept BEFORE DELETE ON billing_collection FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('collections are never deleted');
CREATE TRIGGER attempt_kept BEFORE DELETE ON billing_collectionattempt FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('attempts are never deleted');
-- An outcome is what happened.
CREATE TRIGGER attempt_frozen BEFORE UPDATE ON billing_collectionattempt FOR EACH ROW
    WHEN (OLD.status IN ('succeeded', 'failed', 'closed'))
    EXECUTE FUNCTION kit_refuse_change('an attempt that ended is never written again');
CREATE TRIGGER renewal_kept BEFORE DELETE ON billing_renewalitem FOR EACH ROW
    EXECUTE FUNCTION kit_refuse_change('renewals are never deleted: they are what keeps a period from being invoiced twice');
CREATE TRIGGER renewal_frozen BEFORE UPDATE ON billing_renewalitem FOR EACH ROW
    WHEN ((OLD.subscription_id, OLD.period_start) IS DISTINCT FROM (NEW.subscription_id, NEW.period_start))
    EXECUTE FUNCTION kit_refuse_change('a renewal is of one boundary of one subscription');
CREATE TRIGGER line_frozen BEFORE UPDATE ON billing_pendingline FOR EACH ROW WHEN (OLD.invoiced_at IS NOT NULL)
    EXECUTE FUNCTION kit_refuse_change('a line that stands on an invoice is never written again');

-- Test clocks are for test partners: a live customer's time is real.
CREATE FUNCTION billing_clock_is_for_tests() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT EXISTS (SELECT 1 FROM backoffice_partner p WHERE p.id = NEW.partner_id AND NOT p.livemode) THEN
        RAISE EXCEPTION 'billing_customer: only customers of a partner in test mode have a clock' USING ERRCODE = 'check_violation';
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER customer_clock_is_for_tests BEFORE INSERT OR UPDATE OF clock_at, partner_id ON billing_customer FOR EACH ROW
    WHEN (NEW.clock_at IS NOT NULL) EXECUTE FUNCTION billing_clock_is_for_tests();
